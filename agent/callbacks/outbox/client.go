package outbox

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
)

const (
	maxReply       = 64 << 10 // of a backend's answer
	maxReplyHeader = 64 << 10
	authRetries    = 3 // tries of one message with a token that has just changed
	hurriedAttempt = 2 // the wait grows no further than after this try, 4 s at most
)

// A client carries one message at a time to the backend. go-retryablehttp rewinds
// bodies, drains answers and loops; when to try again and how long to wait is
// decided in delivery.go, because its own policies have no full jitter, no cap on
// Retry-After and no time limit a try.
type client struct {
	http  *http.Client
	idle  interface{ CloseIdleConnections() } // of the transport
	base  string
	token *tokenSource
	waits backoff.Policy
	now   func() time.Time

	hurried atomic.Bool // the agent is about to end: wait less between tries

	mu      sync.Mutex
	waiting context.CancelCauseFunc // ends the present wait, nil while a try is under way
}

func newClient(o Options) (*client, error) {
	rt := o.Backend.Transport
	if rt == nil {
		t, err := newTransport(o.Backend)
		if err != nil {
			return nil, err
		}
		rt = t
	}
	return &client{
		idle: &http.Client{Transport: rt},
		http: &http.Client{
			Transport: stayOpen{rt},
			Timeout:   TryTimeout, // of one try: retries are made above it
			// A redirect would carry the token to the address that it names.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		base: strings.TrimRight(o.Backend.URL, "/"), token: newTokenSource(o), now: o.Now,
		waits: backoff.Policy{Min: BackoffMin, Max: BackoffMax, Rand: o.Rand},
	}, nil
}

// outcome is what the backend finally said to a message.
type outcome struct {
	status int
	reply  []byte // at most maxReply
	tries  int
	err    error // of the last try that failed
}

func (o outcome) delivered() bool { return o.status/100 == 2 }

// stuck: a server error that was answered as often as the tries allow.
func (o outcome) stuck() bool { return o.status/100 == 5 }

// A request is a message as it is sent.
type request struct {
	path, key, trace string
	body             []byte
	final            bool
}

// tries bound what is done for one message before control comes back.
type tries struct {
	before   int  // tries that were made already: the waits go on from there
	patience int  // server errors that end it, 0 = none does
	once     bool // any failure ends it
	// failed is called after each try that failed with the wait that follows.
	failed func(error, time.Duration)
}

var errKicked = errors.New("the wait was cut short")

// deliver tries until the backend takes or refuses the message, the tries are used
// up, or ctx ends.
func (c *client) deliver(ctx context.Context, r request, t tries) (outcome, error) {
	made := 0
	for {
		tryCtx, cancel := context.WithCancelCause(ctx)
		d := &delivery{client: c, cancel: cancel, final: r.final, tries: t}
		out, err := d.run(tryCtx, r)
		kicked := errors.Is(context.Cause(tryCtx), errKicked)
		cancel(nil)
		c.setWaiting(nil)
		made += d.made
		t.before += d.made
		if err == nil {
			out.tries = made
			return out, nil
		}
		if ctx.Err() != nil {
			return outcome{}, context.Cause(ctx)
		}
		if !kicked { // the last of its tries, or a request that cannot be made
			return outcome{}, err
		}
	}
}

// delay is the wait after so many tries.
func (c *client) delay(made int) time.Duration {
	if c.hurried.Load() {
		made = min(made, hurriedAttempt)
	}
	return c.waits.Delay(made)
}

// pause waits between two tries; hurry ends it.
func (c *client) pause(ctx context.Context, d time.Duration) error {
	waitCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.setWaiting(cancel)
	defer c.setWaiting(nil)
	if err := backoff.Wait(waitCtx, d); err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// hurry ends a wait between two tries, so that the next try begins now, and
// keeps the waits that follow short until it is called with false.
func (c *client) hurry(on bool) {
	c.hurried.Store(on)
	if !on {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting != nil {
		c.waiting(errKicked)
	}
}

func (c *client) setWaiting(cancel context.CancelCauseFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = cancel
}

func (c *client) close() { c.idle.CloseIdleConnections() }
