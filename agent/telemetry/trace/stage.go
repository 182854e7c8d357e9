package trace

import (
	"context"
	"errors"
	"net/http"

	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// Tracing sends the job's trace where OpenTelemetry's variables name a collector.
type Tracing struct {
	Options Options // Phase and Client are the Tracing's
	// Client makes the client that trusts the authorities in caFile, "" means those of
	// every other connection.
	Client  func(caFile string) (*http.Client, error)
	Tracker *job.Tracker

	Tracer *Tracer // nil when nobody collects traces
}

// Start begins the job's span. An error is no reason to lose a job.
func (t *Tracing) Start(context.Context) error {
	o := t.Options
	if !Enabled(o.Getenv) {
		return nil
	}
	var err error
	o.Phase = job.PhaseStarting
	if o.Client, err = t.Client(CAFile(o.Getenv)); err == nil {
		t.Tracer, err = New(o)
	}
	if err != nil {
		return errors.New("No traces are sent: " + err.Error())
	}
	t.Tracker.OnPhase(t.Tracer.Enter)
	return nil
}

// Stop ends the sender.
func (t *Tracing) Stop(context.Context) error {
	t.Tracer.Close()
	return nil
}

// End tells the collector how the job ended, beside whatever else the end still
// does. The returned function waits for it, no longer than stage.MinTail.
func (t *Tracing) End(r contract.Result, failedIn string) (wait func()) {
	if t.Tracer == nil {
		return func() {}
	}
	o := outcomeOf(r, failedIn)
	done := make(chan struct{})
	crew.Go(func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), stage.MinTail)
		defer cancel()
		t.Tracer.End(ctx, o)
	})
	return func() { <-done }
}

func outcomeOf(r contract.Result, failedIn string) Outcome {
	o := Outcome{ExitCode: r.ExitCode, Phase: failedIn}
	switch {
	case r.Error != nil:
		o.Code, o.Message = r.Error.Code, r.Error.Message
	case r.ExitCode == contract.ExitUndelivered:
		o.Code, o.Message, o.Phase = contract.CodeCallbackFailed, "The final callback could not be delivered.", job.PhaseReporting
	}
	return o
}
