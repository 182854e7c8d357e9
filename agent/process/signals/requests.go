package signals

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
)

// Most requests count: the first starts a stop, the second shortens its
// grace, the third ends it. Later ones say nothing new.
const Most = 3

// Request is a signal that asks the agent to stop: SIGTERM from the kubelet,
// SIGINT from Ctrl-C, SIGHUP from a closed terminal, SIGQUIT.
type Request struct {
	Signal syscall.Signal
	Count  int // 1 = stop, 2 = hurry, 3 = exit now
}

// Error makes a Request the cause of a cancelled context.
func (r Request) Error() string { return fmt.Sprintf("told to stop by %s", Name(r.Signal)) }

// Requests are the stop requests that came so far.
type Requests struct {
	Queue    chan Request
	Stopping context.Context // ends with the first; its cause is that Request
	cancel   context.CancelCauseFunc
	Hurry    chan struct{} // closed at the second
	Now      chan struct{} // closed at the third

	mu       sync.Mutex
	received int
}

// NewRequests has none yet.
func NewRequests() *Requests {
	r := &Requests{Queue: make(chan Request, Most), Hurry: make(chan struct{}), Now: make(chan struct{})}
	r.Stopping, r.cancel = context.WithCancelCause(context.Background())
	return r
}

// Add counts a request and returns its number; those after the third say nothing
// new and are 0.
func (r *Requests) Add(sig syscall.Signal) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received++
	request := Request{Signal: sig, Count: r.received}
	if request.Count > Most {
		return 0
	}
	r.Queue <- request // never blocks: its buffer holds Most
	switch request.Count {
	case 1:
		r.cancel(request)
	case 2:
		close(r.Hurry)
	case 3:
		close(r.Now)
	}
	return request.Count
}

// First is the request that came first, if any did.
func (r *Requests) First() (Request, bool) { return errors.AsType[Request](context.Cause(r.Stopping)) }

// Close ends Stopping for those who still wait under it.
func (r *Requests) Close() { r.cancel(context.Canceled) }

// Answer passes on the very signal that asked for a stop, so that the child gets
// it once and a script's KeyboardInterrupt handler works.
func (r *Requests) Answer() syscall.Signal {
	if first, ok := r.First(); ok {
		return first.Signal
	}
	return syscall.SIGTERM
}
