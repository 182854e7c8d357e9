package process

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
)

// maxRequests: the first stop request starts a stop, the second shortens its
// grace, the third ends it. Later ones say nothing new.
const maxRequests = 3

// Request is a signal that asks the agent to stop: SIGTERM from the kubelet,
// SIGINT from Ctrl-C, SIGHUP from a closed terminal, SIGQUIT.
type Request struct {
	Signal syscall.Signal
	Count  int // 1 = stop, 2 = hurry, 3 = exit now
}

// Error makes a Request the cause of a cancelled context.
func (r Request) Error() string { return fmt.Sprintf("told to stop by %s", signalName(r.Signal)) }

// requests are the stop requests that came so far.
type requests struct {
	queue    chan Request
	stopping context.Context // ends with the first; its cause is that Request
	cancel   context.CancelCauseFunc
	hurry    chan struct{} // closed at the second
	now      chan struct{} // closed at the third

	mu       sync.Mutex
	received int
}

func newRequests() *requests {
	r := &requests{queue: make(chan Request, maxRequests), hurry: make(chan struct{}), now: make(chan struct{})}
	r.stopping, r.cancel = context.WithCancelCause(context.Background())
	return r
}

// add counts a request and returns its number; those after the third say nothing
// new and are 0.
func (r *requests) add(sig syscall.Signal) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received++
	request := Request{Signal: sig, Count: r.received}
	if request.Count > maxRequests {
		return 0
	}
	r.queue <- request // never blocks: its buffer holds maxRequests
	switch request.Count {
	case 1:
		r.cancel(request)
	case 2:
		close(r.hurry)
	case 3:
		close(r.now)
	}
	return request.Count
}

// first is the request that came first, if any did.
func (r *requests) first() (Request, bool) { return errors.AsType[Request](context.Cause(r.stopping)) }

// signalFor passes on the very signal that asked for a stop, so that the child gets
// it once and a script's KeyboardInterrupt handler works.
func (r *requests) signalFor(reason Reason) syscall.Signal {
	if first, ok := r.first(); ok && reason == ReasonRequest {
		return first.Signal
	}
	return syscall.SIGTERM
}
