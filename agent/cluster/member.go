package cluster

import (
	"context"
	"errors"
	"sync"

	"github.com/vision-platform/trainer-agent/contract"
)

// maxEvents bounds what waits for a link.
const maxEvents = 100

// Member is the end of every node but 0.
type Member struct {
	opts    Options
	run     string
	trouble chan struct{} // closed when the leader is lost or says stop
	started chan struct{} // closed when the leader says go
	over    chan struct{} // closed when there is nothing more to hear: a verdict, or a lost leader
	wake    chan struct{} // there is something to say
	cancel  context.CancelFunc
	work    sync.WaitGroup

	mu      sync.Mutex
	said    memberState
	events  []Event
	lost    bool
	stopped bool
	going   bool
	verdict *Verdict
}

// Join finds the leader, within Options.Wait. Whoever calls it must call Close.
func Join(ctx context.Context, opts Options) (*Member, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	m := &Member{
		opts: opts, trouble: make(chan struct{}), started: make(chan struct{}), over: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	k, err := m.find(ctx)
	if err != nil {
		return nil, err
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m.cancel = cancel
	m.work.Go(func() { m.keep(background, k) })
	return m, nil
}

// Trouble is closed when the leader says stop, or is lost.
func (m *Member) Trouble() <-chan struct{} { return m.trouble }

// Assemble tells the leader that this node is prepared and waits for its word.
func (m *Member) Assemble(ctx context.Context) error {
	m.say(func(s *memberState) { s.Ready = true })
	select {
	case <-m.started:
		return nil
	case <-m.trouble:
		return errors.New("the job is over on node 0")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Tell passes an event on; the oldest give way when too many wait.
func (m *Member) Tell(e Event) {
	m.mu.Lock()
	m.events = append(m.events, e)
	m.events = m.events[max(0, len(m.events)-maxEvents):]
	m.mu.Unlock()
	m.poke()
}

// Ended tells how this node ended; nil is well. What was said first stands.
func (m *Member) Ended(failure *contract.Failure) {
	m.say(func(s *memberState) {
		if !s.Ended {
			s.Ended, s.Failure = true, failure
		}
	})
}

func (m *Member) say(change func(*memberState)) {
	m.mu.Lock()
	change(&m.said)
	m.mu.Unlock()
	m.poke()
}

func (m *Member) poke() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Evidence is what is known of the leader.
func (m *Member) Evidence() []contract.NodeEvidence {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := contract.NodeEvidence{Lost: m.lost}
	if m.verdict != nil {
		e.Failure = m.verdict.Failure
	}
	return []contract.NodeEvidence{e}
}

// Verdict waits for the leader's, and returns nil when it is lost or ctx ends.
func (m *Member) Verdict(ctx context.Context) *Verdict {
	select {
	case <-m.over:
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.verdict
}

// Close ends the link.
func (m *Member) Close() {
	m.cancel()
	m.work.Wait()
}
