package nodes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// redial is the pause between two tries to reach the leader.
const redial = time.Second

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

// find tries until the leader takes this node: its pod may not be there yet, or
// an earlier run of the job may still be ending.
func (m *Member) find(parent context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(parent, m.opts.Wait)
	defer cancel()
	var last error
	for {
		k, err := m.dial(ctx)
		if err == nil {
			return k, nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-time.After(redial):
		case <-ctx.Done():
			if parent.Err() != nil {
				return nil, context.Cause(parent)
			}
			return nil, contract.Failf(contract.CodeNodeLost, "node 0 did not answer at %s within %s: %w.", m.opts.Address, m.opts.Wait, last).
				WithHint("Check that node 0 runs, MASTER_ADDR, and that port %s is open between the machines.", port(m.opts.Address))
		}
	}
}

func port(address string) string {
	if _, p, err := net.SplitHostPort(address); err == nil {
		return p
	}
	return address
}

// dial makes one try.
func (m *Member) dial(ctx context.Context) (*link, error) {
	dialer := net.Dialer{Timeout: min(handshakeTimeout, m.opts.Timeout)}
	conn, err := dialer.DialContext(ctx, "tcp", m.opts.Address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	k := newLink(conn, min(handshakeTimeout, m.opts.Timeout))
	run, err := m.opts.introduce(k, m.run)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	k.timeout, m.run = m.opts.Timeout, run
	return k, nil
}

// keep holds the link, and makes it anew when it breaks.
func (m *Member) keep(ctx context.Context, k *link) {
	defer close(m.over)
	for {
		m.talk(ctx, k)
		if m.decided() || ctx.Err() != nil {
			return
		}
		var err error
		if k, err = m.again(ctx); err != nil {
			if ctx.Err() == nil {
				m.opts.log().Error("node 0 is lost", "error", err)
				m.lose()
			}
			return
		}
	}
}

// again reaches the leader anew within the timeout; a refusal is final.
func (m *Member) again(parent context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(parent, m.opts.Timeout)
	defer cancel()
	for {
		k, err := m.dial(ctx)
		if err == nil || errors.Is(err, errRefused) {
			return k, err
		}
		select {
		case <-time.After(min(redial, m.opts.beat())):
		case <-ctx.Done():
			return nil, fmt.Errorf("the link is broken for %s: %w", m.opts.Timeout, err)
		}
	}
}

// talk is the life of one link: it ends when that breaks, or with the verdict.
func (m *Member) talk(ctx context.Context, k *link) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, k.close)
	defer stop()
	defer k.close()
	m.work.Go(func() {
		defer cancel() // a link that cannot be written to is no link
		m.speak(ctx, k)
	})
	for {
		got, err := k.receive()
		if err != nil {
			return
		}
		if got.Leader != nil {
			m.hear(*got.Leader)
		}
		if m.decided() {
			return
		}
	}
}

// speak sends the state at every beat and change, and events as they come.
func (m *Member) speak(ctx context.Context, k *link) {
	ticker := time.NewTicker(m.opts.beat())
	defer ticker.Stop()
	for {
		state, events := m.toSay()
		for i := range events {
			if k.send(message{Event: &events[i]}) != nil {
				m.putBack(events[i:])
				return
			}
		}
		if k.send(message{Member: &state}) != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-m.wake:
		case <-ctx.Done():
			return
		}
	}
}

func (m *Member) toSay() (memberState, []Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	events := m.events
	m.events = nil
	return m.said, events
}

// putBack keeps events that found no link for the next one.
func (m *Member) putBack(events []Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(events, m.events...)
	m.events = m.events[max(0, len(m.events)-maxEvents):]
}

// hear takes what the leader says.
func (m *Member) hear(s leaderState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.Go && !m.going {
		m.going = true
		close(m.started)
	}
	if s.Verdict != nil && m.verdict == nil {
		m.verdict = s.Verdict
	}
	if s.Stop {
		m.stop()
	}
}

func (m *Member) lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost = true
	m.stop()
}

// stop closes trouble once; the lock is held.
func (m *Member) stop() {
	if !m.stopped {
		m.stopped = true
		close(m.trouble)
	}
}

func (m *Member) decided() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.verdict != nil
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
