package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/vision-platform/trainer-agent/contract"
)

// handshakeTimeout bounds how long a stranger can hold a connection.
const handshakeTimeout = 5 * time.Second

// farewell is how long the leader waits for its members to read the verdict.
const farewell = 3 * time.Second

// Leader is node 0's end: it knows how every other node is.
type Leader struct {
	opts     Options
	run      string
	listener net.Listener
	trouble  chan struct{} // closed when a node has failed or is lost
	done     chan struct{} // closed by Close
	ending   sync.Once
	work     sync.WaitGroup

	mu      sync.Mutex
	state   leaderState
	nodes   map[int]*node // by rank
	changed chan struct{} // closed and replaced at every change of a node
	torn    bool          // trouble is closed
}

// node is one member as the leader sees it.
type node struct {
	rank   int
	host   string
	link   *link // nil while there is none
	joined bool
	lost   bool
	heard  time.Time
	said   memberState
}

// Listen opens the leader's port. Whoever calls it must call Close.
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
	l := &Leader{
		opts: opts, run: newNonce(), state: state, listener: netutil.LimitListener(listener, 2*opts.Nodes+16),
		trouble: make(chan struct{}), done: make(chan struct{}), nodes: map[int]*node{}, changed: make(chan struct{}),
	}
	for rank := 1; rank < opts.Nodes; rank++ {
		l.nodes[rank] = &node{rank: rank}
	}
	l.work.Go(l.accept)
	l.work.Go(l.tick)
	return l, nil
}

// Addr is where the leader listens.
func (l *Leader) Addr() net.Addr { return l.listener.Addr() }

// Trouble is closed when a node has failed, or is lost.
func (l *Leader) Trouble() <-chan struct{} { return l.trouble }

// Assemble waits until every member is prepared, and lets them start. It
// returns an error when one does not come in time, or has failed, or ctx ends.
func (l *Leader) Assemble(ctx context.Context) error {
	late := time.NewTimer(l.opts.Wait)
	defer late.Stop()
	for {
		changed, here, ready := l.count()
		if ready == l.opts.Nodes-1 {
			l.say(func(s *leaderState) { s.Go = true })
			return nil
		}
		select {
		case <-changed:
		case <-l.trouble:
			return errors.New("another node has failed")
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			if here < l.opts.Nodes-1 {
				l.tear()
				return fmt.Errorf("%d of %d nodes came within %s", here+1, l.opts.Nodes, l.opts.Wait)
			}
		}
	}
}

func (l *Leader) count() (changed <-chan struct{}, here, ready int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.nodes {
		if n.joined {
			here++
		}
		if n.said.Ready {
			ready++
		}
	}
	return l.changed, here, ready
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
		changed, list, open := l.evidence()
		if open == 0 {
			return list
		}
		select {
		case <-changed:
			continue
		case <-l.done:
		case <-timer.C:
		}
		_, list, _ = l.evidence()
		return list
	}
}

// evidence also counts the members of which more may be heard.
func (l *Leader) evidence() (changed <-chan struct{}, list []contract.NodeEvidence, open int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rank := 1; rank < l.opts.Nodes; rank++ {
		n := l.nodes[rank]
		e := contract.NodeEvidence{Rank: rank, Host: n.host, Absent: !n.joined, Failure: n.said.Failure}
		e.Lost = n.joined && !n.said.Ended && (n.lost || n.link == nil)
		if n.joined && !n.said.Ended && !n.lost {
			open++
		}
		list = append(list, e)
	}
	return l.changed, list, open
}

// End tells every member the verdict and waits a moment until they have read it;
// for members that have not come yet too, when no other run follows.
func (l *Leader) End(v Verdict) {
	l.say(func(s *leaderState) { s.Stop, s.Verdict = true, &v })
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	for {
		changed, left := l.listening()
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

// listening counts the members that may still read the verdict.
func (l *Leader) listening() (changed <-chan struct{}, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, node := range l.nodes {
		if node.link != nil || (!node.joined && l.final()) {
			n++
		}
	}
	return l.changed, n
}

// Close ends every link.
func (l *Leader) Close() {
	l.ending.Do(func() {
		close(l.done)
		_ = l.listener.Close()
	})
	l.mu.Lock()
	for _, n := range l.nodes {
		if n.link != nil {
			n.link.close()
		}
	}
	l.mu.Unlock()
	l.work.Wait()
}

// say changes the leader's state and sends it to everyone.
func (l *Leader) say(change func(*leaderState)) {
	l.mu.Lock()
	change(&l.state)
	l.mu.Unlock()
	l.broadcast()
}

// broadcast sends the state to every member that can be reached.
func (l *Leader) broadcast() {
	l.mu.Lock()
	state := l.state
	var links []*link
	for _, n := range l.nodes {
		if n.link != nil {
			links = append(links, n.link)
		}
	}
	l.mu.Unlock()
	for _, k := range links {
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
			l.look(now)
		}
	}
}

func (l *Leader) look(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.nodes {
		if n.joined && !n.said.Ended && !n.lost && now.Sub(n.heard) > l.opts.Timeout {
			l.lose(n)
		}
	}
}

// lose notes that a member is gone; the lock is held.
func (l *Leader) lose(n *node) {
	n.lost = true
	l.opts.log().Error("a machine of the job is lost", "node", n.rank, "host", n.host)
	l.change()
	l.tearLocked()
}

// change wakes whoever waits for the members; the lock is held.
func (l *Leader) change() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Leader) tear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tearLocked()
}

func (l *Leader) tearLocked() {
	if !l.torn {
		l.torn = true
		close(l.trouble)
	}
}
