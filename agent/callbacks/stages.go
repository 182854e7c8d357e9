package callbacks

import (
	"context"
	"errors"
	"os"

	"github.com/vision-platform/trainer-agent/agent/callbacks/autoreport"
	"github.com/vision-platform/trainer-agent/agent/callbacks/heartbeat"
	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox"
	"github.com/vision-platform/trainer-agent/agent/callbacks/relay"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// Heartbeat is the agent's own, when the child is silent.
type Heartbeat struct {
	Queue   *Queue
	Options heartbeat.Options // Send and Over are the Queue's

	pulse *heartbeat.Pulse
	stage.Background
}

// Start begins to beat, if there is somebody to tell.
func (h *Heartbeat) Start(ctx context.Context) (err error) {
	box := h.Queue.Box
	if box == nil {
		return nil
	}
	o := h.Options
	o.Send = func(m contract.Message) error { return box.AppendLatest(heartbeat.Slot, m) }
	o.Over = func(err error) bool { return errors.Is(err, outbox.ErrFinal) || errors.Is(err, outbox.ErrClosed) }
	if h.pulse, err = heartbeat.New(o); err != nil {
		return err
	}
	h.Run = func(ctx context.Context) { _ = h.pulse.Run(ctx) }
	return h.Background.Start(ctx)
}

// Observe takes what the child said.
func (h *Heartbeat) Observe(m contract.Message) {
	if h.pulse != nil {
		h.pulse.Observe(m)
	}
}

// ErrAgain ends a run whose job has succeeded in an earlier one: what is left is to
// deliver that.
var ErrAgain = errors.New("the job succeeded in an earlier run")

// Earlier decides what becomes of an earlier run's end.
type Earlier struct {
	Queue  *Queue
	Killed func() bool // that run was
	Warn   func(string)
}

// Start returns ErrAgain when there is nothing to train.
func (e Earlier) Start(context.Context) error {
	succeeded, err := e.Queue.succeededBefore(e.Killed())
	if err != nil {
		e.Warn("The outbox of the earlier run could not be reopened: " + err.Error())
	}
	if succeeded {
		return ErrAgain
	}
	return nil
}

// Stop does nothing.
func (Earlier) Stop(context.Context) error { return nil }

// Relay answers the child on loopback, and publishes what it says.
type Relay struct {
	Queue   *Queue
	Bus     *job.Bus
	Options func() relay.Options   // asked at the start; Outbox, its errors and Observe are the Relay's
	Said    func(contract.Message) // what the child itself says, after the bus

	relay *relay.Relay
	words bool // the relay answers questions to a language model
}

// Start opens the relay.
func (s *Relay) Start(context.Context) (err error) {
	o := s.Options()
	s.words = o.Completions != nil
	o.Outbox, o.Full, o.Ended = s.Queue.accepting(), outbox.ErrFull, outbox.ErrFinal
	o.Observe = func(m contract.Message) {
		s.Bus.Publish(m)
		s.Said(m)
	}
	if s.relay, err = relay.New(o); err == nil {
		s.Queue.relay.Store(s.relay)
	}
	return err
}

// Environment is how the child finds the relay.
func (s *Relay) Environment() map[string]string {
	env := map[string]string{"BACKEND_BASE_URL": s.relay.URL(), "CALLBACK_TOKEN": s.relay.Token(), "CALLBACK_URL": s.relay.URL()}
	if s.words { // as every client of OpenAI reads it
		env["OPENAI_BASE_URL"], env["OPENAI_API_KEY"] = s.relay.URL()+"/v1", s.relay.Token()
	}
	return env
}

// Crowded reports whether what the child said may be lost: see relay.Relay.
func (s *Relay) Crowded() bool { return s.relay != nil && s.relay.Crowded() }

// Stop lets the child's last requests have their answers.
func (s *Relay) Stop(ctx context.Context) error {
	if s.relay == nil {
		return nil
	}
	return s.relay.Close(ctx)
}

// ResultFiles reports the epochs of a script that calls nobody.
type ResultFiles struct {
	Queue   *Queue
	Bus     *job.Bus
	Options func() autoreport.Options // asked at the start; Emit is the ResultFiles'
	Fresh   func() bool               // the run before, if there was one, has reported what it had to

	reporter *autoreport.Reporter
	stage.Background
}

// Start begins to look for result files.
func (f *ResultFiles) Start(ctx context.Context) (err error) {
	o := f.Options()
	if f.Fresh() {
		_ = os.Remove(o.StateFile)
	}
	o.Emit = func(msgs []contract.Message) error {
		if err := f.Queue.sendAll(msgs); err != nil {
			return err // they come again
		}
		for _, m := range msgs {
			f.Bus.Publish(m)
		}
		return nil
	}
	if f.reporter, err = autoreport.New(o); err != nil {
		return err
	}
	f.Run = func(ctx context.Context) { _ = f.reporter.Run(ctx) }
	return f.Background.Start(ctx)
}

// Said takes note of what the child says itself.
func (f *ResultFiles) Said(m contract.Message) {
	if f.reporter != nil {
		f.reporter.Observe(m)
	}
}

// Stop reports what is left at once: the child has ended and cannot do it.
func (f *ResultFiles) Stop(ctx context.Context) error {
	if f.reporter != nil {
		f.reporter.Finish(ctx)
	}
	return f.Background.Stop(ctx)
}
