package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// handshakeTimeout bounds how long a stranger can hold a connection.
const handshakeTimeout = 5 * time.Second

// farewell is how long the leader waits for its members to read the verdict.
const farewell = 3 * time.Second

// Leader is node 0's end: it takes the links of every other node.
type Leader struct {
	opts     Options
	members  *roster
	listener net.Listener
	strange  *strangers
	done     chan struct{} // closed by Close
	ending   sync.Once
	work     sync.WaitGroup
}

// Listen opens the leader's port. The caller must call Close.
func Listen(ctx context.Context, opts Options) (*Leader, error) {
	return listen(ctx, opts, leaderState{})
}

// Announce is all that is left to a leader whose run is over: it opens the port,
// and ends as End does. A member of that run, which lost its leader before the
// verdict, hears of it when it is a final one.
func Announce(ctx context.Context, opts Options, v Verdict) error {
	l, err := listen(ctx, opts, leaderState{Stop: true, Verdict: &v}) // said before anybody can ask
	if err != nil {
		return err
	}
	defer l.Close()
	l.End(v)
	return nil
}

func listen(ctx context.Context, opts Options, state leaderState) (*Leader, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", opts.Address)
	if err != nil {
		return nil, contract.Failf(contract.CodeConfigInvalid, "the port for the job's other machines cannot be opened: %w.", err).
			WithHint("Set AGENT_NODE_PORT to a free port, the same on every machine.")
	}
	l := &Leader{opts: opts, members: newRoster(opts, state), strange: &strangers{log: opts.log()}, done: make(chan struct{})}
	l.listener = l.strange.behind(listener, opts.Nodes)
	l.work.Go(crew.Guarded(l.accept))
	l.work.Go(crew.Guarded(l.tick))
	return l, nil
}

// Addr is where the leader listens.
func (l *Leader) Addr() net.Addr { return l.listener.Addr() }

// Trouble is closed when a node has failed, or is lost.
func (l *Leader) Trouble() <-chan struct{} { return l.members.trouble }

// Assemble waits until every member is prepared, and lets them start. It
// returns an error when one does not come in time, or has failed, or ctx ends.
func (l *Leader) Assemble(ctx context.Context) error {
	late := time.NewTimer(l.opts.Wait)
	defer late.Stop()
	for {
		changed, here, ready := l.members.count()
		if ready == l.opts.Nodes-1 {
			l.say(func(s *leaderState) { s.Go = true })
			return nil
		}
		select {
		case <-changed:
		case <-l.members.trouble:
			return errors.New("another node has failed")
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			if here < l.opts.Nodes-1 {
				l.members.tear()
				return fmt.Errorf("%d of %d nodes came within %s", here+1, l.opts.Nodes, l.opts.Wait)
			}
		}
	}
}

// Stop tells every member to stop its child.
func (l *Leader) Stop() { l.say(func(s *leaderState) { s.Stop = true }) }

// Evidence is what is known of the members, the ones in trouble first asked to
// say why: a member's failure and the loss of its connections arrive in any
// order, so it waits up to patience for members that have neither ended nor are
// gone.
func (l *Leader) Evidence(patience time.Duration) []contract.NodeEvidence {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		changed, list, open := l.members.evidence()
		if open == 0 {
			return l.strange.excuse(list)
		}
		select {
		case <-changed:
			continue
		case <-l.done:
		case <-timer.C:
		}
		_, list, _ = l.members.evidence()
		return l.strange.excuse(list)
	}
}

// End tells every member the verdict and waits a moment until they have read it;
// for members that have not come yet too, when no other run follows.
func (l *Leader) End(v Verdict) {
	l.say(func(s *leaderState) { s.Stop, s.Verdict = true, &v })
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	for {
		changed, left := l.members.listening()
		if left == 0 {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		}
	}
}

// Close ends every link.
func (l *Leader) Close() {
	l.ending.Do(func() {
		close(l.done)
		_ = l.listener.Close()
	})
	l.members.close()
	l.work.Wait()
}

// say changes what is said to everyone, and says it.
func (l *Leader) say(change func(*leaderState)) {
	l.members.say(change)
	l.broadcast()
}

// broadcast sends the state to every member that can be reached.
func (l *Leader) broadcast() {
	state, open := l.members.links()
	for _, k := range open {
		if k.send(message{Leader: &state}) != nil {
			k.close() // its reader notices
		}
	}
}

// tick sends the state as a sign of life and looks for members that give none.
func (l *Leader) tick() {
	ticker := time.NewTicker(l.opts.beat())
	defer ticker.Stop()
	for {
		select {
		case <-l.done:
			return
		case now := <-ticker.C:
			l.broadcast()
			l.members.look(now)
			l.strange.tell(now)
		}
	}
}
