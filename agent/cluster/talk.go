package cluster

import (
	"context"
	"time"

	"github.com/vision-platform/trainer-agent/converters/crew"
)

// keep holds the link, and makes another when it breaks.
func (m *Member) keep(ctx context.Context, k *link) {
	defer close(m.over)
	for {
		m.talk(ctx, k)
		if m.state.ruling() != nil || ctx.Err() != nil {
			return
		}
		var err error
		if k, err = m.again(ctx); err != nil {
			if ctx.Err() == nil {
				m.opts.log().Error("node 0 is lost", "error", err)
				m.state.lose()
			}
			return
		}
	}
}

// talk is the life of one link: it ends when that breaks, or with the verdict.
func (m *Member) talk(ctx context.Context, k *link) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, crew.Guarded(k.close))
	defer stop()
	defer k.close()
	m.work.Go(crew.Guarded(func() {
		defer cancel() // a link that cannot be written to is no link
		m.speak(ctx, k)
	}))
	for {
		got, err := k.receive()
		if err != nil {
			return
		}
		if got.Leader != nil {
			m.state.hear(*got.Leader)
		}
		if m.state.ruling() != nil {
			return
		}
	}
}

// speak sends the state at every beat and change, and events as they come.
func (m *Member) speak(ctx context.Context, k *link) {
	ticker := time.NewTicker(m.opts.beat())
	defer ticker.Stop()
	for {
		state, events := m.state.next()
		for i := range events {
			if k.send(message{Event: &events[i]}) != nil {
				m.state.putBack(events[i:])
				return
			}
		}
		if k.send(message{Member: &state}) != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-m.state.wake:
		case <-ctx.Done():
			return
		}
	}
}
