package agent

import (
	"context"

	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/agent/telemetry/trace"
	"github.com/vision-platform/trainer-agent/contract"
)

// openTracing starts the job's trace where OpenTelemetry's variables name a
// collector. Traces are no reason to lose a job.
func (j *job) openTracing() {
	if !trace.Enabled(j.getenv) {
		return
	}
	network := storage.Config{CAFile: trace.CAFile(j.getenv), Getenv: j.getenv}
	if network.CAFile == "" {
		network.CAFile = j.cfg.CAFile
	}
	client, err := storage.HTTPClient(network)
	if err == nil {
		j.tracer, err = trace.New(trace.Options{
			TraceID: j.cfg.TraceID, Phase: phaseStarting, Started: j.started, Getenv: j.getenv, Client: client, Now: j.Now, Log: j.log,
			Job: map[string]string{
				"trainer.job_id": j.cfg.JobID, "trainer.job_type": j.cfg.JobType, "trainer.framework": j.cfg.Framework,
				"trainer.model": j.cfg.ModelName, "trainer.task_type": j.cfg.TaskType,
			},
		})
	}
	if err != nil {
		j.warn("No traces are sent: " + err.Error())
		return
	}
	j.progress.entered = j.tracer.Enter
}

// endTrace tells the collector how the job ended, beside whatever else the end
// still does. The returned function waits for it, no longer than minTail.
func (j *job) endTrace(r contract.Result, failedIn string) (wait func()) {
	if j.tracer == nil {
		return func() {}
	}
	if r.ExitCode == contract.ExitOK && r.Error != nil { // of prepare
		r.ExitCode = r.Error.ExitCode()
	}
	o := trace.Outcome{ExitCode: r.ExitCode, Phase: failedIn}
	switch {
	case r.Error != nil:
		o.Code, o.Message = r.Error.Code, r.Error.Message
	case r.ExitCode == contract.ExitUndelivered:
		o.Code, o.Message, o.Phase = contract.CodeCallbackFailed, "The final callback could not be delivered.", phaseReporting
	}
	ending := start(context.Background(), func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, minTail)
		defer cancel()
		j.tracer.End(ctx, o)
	})
	return func() { <-ending.done }
}
