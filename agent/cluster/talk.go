package cluster

import (
	"context"
	"time"
)

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
