package cluster

import (
	"sync"

	"github.com/vision-platform/trainer-agent/contract"
)

// maxEvents bounds what waits for a link.
const maxEvents = 100

// exchange is what a member has to say to the leader and has heard from it, whatever
// becomes of the links between them.
type exchange struct {
	trouble chan struct{} // closed when the leader is lost or says stop
	started chan struct{} // closed when the leader says go
	wake    chan struct{} // there is something to say

	mu      sync.Mutex
	said    memberState
	events  []Event
	lost    bool
	stopped bool
	going   bool
	verdict *Verdict
}

func newExchange() *exchange {
	return &exchange{trouble: make(chan struct{}), started: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// tell adds an event; the oldest give way when too many wait.
func (x *exchange) tell(e Event) {
	x.mu.Lock()
	x.events = append(x.events, e)
	x.events = x.events[max(0, len(x.events)-maxEvents):]
	x.mu.Unlock()
	x.poke()
}

// say changes the state.
func (x *exchange) say(change func(*memberState)) {
	x.mu.Lock()
	change(&x.said)
	x.mu.Unlock()
	x.poke()
}

func (x *exchange) poke() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// evidence is what is known of the leader.
func (x *exchange) evidence() []contract.NodeEvidence {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := contract.NodeEvidence{Lost: x.lost}
	if x.verdict != nil {
		e.Failure = x.verdict.Failure
	}
	return []contract.NodeEvidence{e}
}

// next is what is to be said now.
func (x *exchange) next() (memberState, []Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	events := x.events
	x.events = nil
	return x.said, events
}

// putBack keeps events that found no link for the next one.
func (x *exchange) putBack(events []Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.events = append(events, x.events...)
	x.events = x.events[max(0, len(x.events)-maxEvents):]
}

// hear takes what the leader says.
func (x *exchange) hear(s leaderState) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if s.Go && !x.going {
		x.going = true
		close(x.started)
	}
	if s.Verdict != nil && x.verdict == nil {
		x.verdict = s.Verdict
	}
	if s.Stop {
		x.stop()
	}
}

func (x *exchange) lose() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lost = true
	x.stop()
}

// stop closes trouble once; the lock is held.
func (x *exchange) stop() {
	if !x.stopped {
		x.stopped = true
		close(x.trouble)
	}
}

// ruling is the leader's verdict, nil until there is one.
func (x *exchange) ruling() *Verdict {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.verdict
}
