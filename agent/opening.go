package agent

import (
	"context"
	"errors"
	"os"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/agent/telemetry"
	"github.com/vision-platform/trainer-agent/agent/telemetry/trace"
	"github.com/vision-platform/trainer-agent/contract"
)

// workspaceLock makes the workspace and keeps every other agent out of it. It gives
// the log of the child's output.
type workspaceLock struct {
	ws job.Workspace

	training *telemetry.TrainingLog
	unlock   func()
}

func (w *workspaceLock) Start(context.Context) (err error) {
	if err := w.ws.Open(); err != nil {
		return err
	}
	if w.unlock, err = w.ws.Lock(); err != nil {
		return err
	}
	// The log of a run that was killed was never uploaded: it is continued.
	_, err = os.Stat(w.ws.MarkerFile())
	w.training, err = telemetry.CreateTrainingLog(w.ws.TrainingLog(), telemetry.DefaultTrainingLogBytes, err == nil)
	return err
}

func (w *workspaceLock) Stop(context.Context) (err error) {
	if w.training != nil {
		err = w.training.Close()
	}
	if w.unlock != nil {
		w.unlock()
	}
	return err
}

// runMarker leaves the run marker, and gives what is known of a run that was killed.
type runMarker struct {
	o      *Options
	ws     job.Workspace
	events *job.Events

	marker   *job.Marker
	previous *job.PreviousRun
}

func (m *runMarker) Start(context.Context) (err error) {
	account, _ := process.ReadMemory() // where there is none, nothing is concluded from it
	m.marker, m.previous, err = job.Mark(m.ws.MarkerFile(), m.o.Now(), account)
	if err == nil && m.previous != nil {
		m.events.Warn(m.previous.Message)
	}
	return err
}

// Stop leaves the marker: only a result that was kept takes it away.
func (m *runMarker) Stop(context.Context) error { return nil }

// startedData is what agent_started says.
func startedData(o *Options, previous *job.PreviousRun) map[string]any {
	host, _ := os.Hostname()
	data := map[string]any{
		"version": contract.Version, "commit": contract.Commit, "host": host, "job_type": o.Config.JobType,
		"framework": o.Config.Framework, "model_name": o.Config.ModelName, "device": o.Config.Device, "nodes": o.Config.Nodes,
	}
	if previous != nil {
		data["previous_run"] = previous
	}
	return data
}

// tracing sends the job's trace where OpenTelemetry's variables name a collector.
type tracing struct {
	o       *Options
	id      identity
	tracker *job.Tracker

	tracer *trace.Tracer // nil when nobody collects traces
}

func (t *tracing) Start(context.Context) error {
	if !trace.Enabled(t.o.getenv) {
		return nil
	}
	cfg := t.o.Config
	network := storage.Config{CAFile: trace.CAFile(t.o.getenv), Getenv: t.o.getenv}
	if network.CAFile == "" {
		network.CAFile = cfg.CAFile
	}
	client, err := storage.HTTPClient(network)
	if err == nil {
		t.tracer, err = trace.New(trace.Options{
			TraceID: t.id.trace, Phase: job.PhaseStarting, Started: t.id.started, Getenv: t.o.getenv, Client: client, Now: t.o.Now, Log: t.o.Log,
			Job: map[string]string{
				"trainer.job_id": cfg.JobID, "trainer.job_type": cfg.JobType, "trainer.framework": cfg.Framework,
				"trainer.model": cfg.ModelName, "trainer.task_type": cfg.TaskType,
			},
		})
	}
	if err != nil {
		return errors.New("No traces are sent: " + err.Error())
	}
	t.tracker.OnPhase(t.tracer.Enter)
	return nil
}

func (t *tracing) Stop(context.Context) error {
	t.tracer.Close()
	return nil
}

// end tells the collector how the job ended, beside whatever else the end still
// does. The returned function waits for it, no longer than minTail.
func (t *tracing) end(r contract.Result, failedIn string) (wait func()) {
	if t.tracer == nil {
		return func() {}
	}
	o := trace.Outcome{ExitCode: r.ExitCode, Phase: failedIn}
	switch {
	case r.Error != nil:
		o.Code, o.Message = r.Error.Code, r.Error.Message
	case r.ExitCode == contract.ExitUndelivered:
		o.Code, o.Message, o.Phase = contract.CodeCallbackFailed, "The final callback could not be delivered.", job.PhaseReporting
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), minTail)
		defer cancel()
		t.tracer.End(ctx, o)
	}()
	return func() { <-done }
}
