package cluster

import (
	"context"
	"errors"
	"sync"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// Member is the end of every node but 0.
type Member struct {
	opts   Options
	run    string
	state  *exchange
	over   chan struct{} // closed when there is nothing more to hear: a verdict, or a lost leader
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// Join finds the leader, within Options.Wait. The caller must call Close.
func Join(ctx context.Context, opts Options) (*Member, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	m := &Member{opts: opts, state: newExchange(), over: make(chan struct{})}
	k, err := m.find(ctx)
	if err != nil {
		return nil, err
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m.cancel = cancel
	m.work.Go(crew.Guarded(func() { m.keep(background, k) }))
	return m, nil
}

// Trouble is closed when the leader says stop, or is lost.
func (m *Member) Trouble() <-chan struct{} { return m.state.trouble }

// Assemble tells the leader that this node is prepared and waits for its word.
func (m *Member) Assemble(ctx context.Context) error {
	m.state.say(func(s *memberState) { s.Ready = true })
	select {
	case <-m.state.started:
		return nil
	case <-m.state.trouble:
		return errors.New("the job is over on node 0")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Tell passes an event on; the oldest give way when too many wait.
func (m *Member) Tell(e Event) { m.state.tell(e) }

// Ended tells how this node ended; nil is well. What was said first stands.
func (m *Member) Ended(failure *contract.Failure) {
	m.state.say(func(s *memberState) {
		if !s.Ended {
			s.Ended, s.Failure = true, failure
		}
	})
}

// Evidence is what is known of the leader.
func (m *Member) Evidence() []contract.NodeEvidence { return m.state.evidence() }

// Verdict waits for the leader's, and returns nil when it is lost or ctx ends.
func (m *Member) Verdict(ctx context.Context) *Verdict {
	select {
	case <-m.over:
	case <-ctx.Done():
	}
	return m.state.ruling()
}

// Close ends the link.
func (m *Member) Close() {
	m.cancel()
	m.work.Wait()
}
