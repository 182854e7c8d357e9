package cluster

import (
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

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

// roster is what the leader knows of its members, and says to all of them.
type roster struct {
	opts    Options
	run     string
	trouble chan struct{} // closed when a node has failed or is lost

	mu      sync.Mutex
	state   leaderState
	nodes   map[int]*node // by rank
	changed chan struct{} // closed and replaced at every change of a node
	torn    bool          // trouble is closed
	closed  bool
}

func newRoster(opts Options, state leaderState) *roster {
	r := &roster{opts: opts, run: newNonce(), state: state, trouble: make(chan struct{}), nodes: map[int]*node{}, changed: make(chan struct{})}
	for rank := 1; rank < opts.Nodes; rank++ {
		r.nodes[rank] = &node{rank: rank}
	}
	return r
}

// say changes what is said to everyone.
func (r *roster) say(change func(*leaderState)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.state)
}

// links are the members that can be reached, and what is said to them.
func (r *roster) links() (state leaderState, open []*link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.nodes {
		if n.link != nil {
			open = append(open, n.link)
		}
	}
	return r.state, open
}

// close lets nobody in any more.
func (r *roster) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	_, open := r.links()
	for _, k := range open {
		k.close()
	}
}

// count are those that have come and that are prepared.
func (r *roster) count() (changed <-chan struct{}, here, ready int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.nodes {
		if n.joined {
			here++
		}
		if n.said.Ready {
			ready++
		}
	}
	return r.changed, here, ready
}

// evidence also counts the members of which more may be heard.
func (r *roster) evidence() (changed <-chan struct{}, list []contract.NodeEvidence, open int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for rank := 1; rank < r.opts.Nodes; rank++ {
		n := r.nodes[rank]
		e := contract.NodeEvidence{Rank: rank, Host: n.host, Absent: !n.joined, Failure: n.said.Failure}
		e.Lost = n.joined && !n.said.Ended && (n.lost || n.link == nil)
		if n.joined && !n.said.Ended && !n.lost {
			open++
		}
		list = append(list, e)
	}
	return r.changed, list, open
}

// listening counts the members that may still read the verdict.
func (r *roster) listening() (changed <-chan struct{}, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, node := range r.nodes {
		if node.link != nil || (!node.joined && r.final()) {
			n++
		}
	}
	return r.changed, n
}

// attach gives a member its place. A newcomer in the place of one that had come
// and whose link is gone is the proof that the earlier one is lost.
func (r *roster) attach(hello message, k *link) (n *node, refused string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = r.nodes[hello.Rank]
	again := hello.Run == r.run
	switch {
	case n == nil:
		return nil, "this job has no such node"
	case hello.Run != "" && !again && !r.final():
		return nil, "this is another run of the job"
	case n.lost || r.closed, !again && (n.said.Ended || (r.state.Stop && !r.final())):
		return nil, "this run of the job is over"
	case !again && n.joined && n.link != nil:
		return nil, "another machine has this number"
	case !again && n.joined:
		r.lose(n)
		return nil, "this run of the job is over"
	}
	if n.link != nil {
		n.link.close()
	}
	if !n.joined {
		r.opts.log().Info("a machine of the job is here", "node", hello.Rank, "host", hello.Host)
	}
	n.link, n.joined, n.host, n.heard = k, true, hello.Host, time.Now()
	r.change()
	return n, ""
}

// final reports whether the verdict holds for every run of the job: a member that
// comes only now need not wait for a leader that nobody starts again, and one of
// a run whose leader was killed after its success hears of that. The lock is held.
func (r *roster) final() bool {
	v := r.state.Verdict
	return v != nil && v.Exit != contract.ExitInfra && v.Exit != contract.ExitStopped
}

func (r *roster) detach(n *node, k *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n.link == k {
		n.link = nil
		r.change()
	}
}

// take reads what a member says.
func (r *roster) take(n *node, m message) {
	if m.Event != nil && r.opts.OnEvent != nil {
		r.opts.OnEvent(n.rank, *m.Event)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n.heard = time.Now()
	if m.Member == nil || *m.Member == n.said {
		return
	}
	n.said = *m.Member
	r.change()
	if n.said.Failure != nil {
		r.tearLocked()
	}
}

// look finds those that give no more sign of life.
func (r *roster) look(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.nodes {
		if n.joined && !n.said.Ended && !n.lost && now.Sub(n.heard) > r.opts.Timeout {
			r.lose(n)
		}
	}
}

// lose notes that a member is gone; the lock is held.
func (r *roster) lose(n *node) {
	n.lost = true
	r.opts.log().Error("a machine of the job is lost", "node", n.rank, "host", n.host)
	r.change()
	r.tearLocked()
}

// change wakes those who wait for the members; the lock is held.
func (r *roster) change() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *roster) tear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tearLocked()
}

func (r *roster) tearLocked() {
	if !r.torn {
		r.torn = true
		close(r.trouble)
	}
}
