package delivery

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

// Bounds of an answer, bytes, and of a token that has just changed.
const (
	MaxReply       = 64 << 10 // of a backend's answer
	MaxReplyHeader = 64 << 10
	AuthRetries    = 3 // tries of one message with a token that has just changed
	hurriedAttempt = 2 // the wait grows no further than after this try, 4 s at most
)

// A Client carries one message at a time to the backend. go-retryablehttp rewinds
// bodies, drains answers and loops; when to try again and how long to wait is
// decided in loop.go, because its own policies have no full jitter, no cap on
// Retry-After and no time limit a try.
type Client struct {
	http  *http.Client
	idle  interface{ CloseIdleConnections() } // of the transport
	base  string
	Token *TokenSource
	waits backoff.Policy
	now   func() time.Time

	hurried atomic.Bool // the agent is about to end: wait less between tries

	mu      sync.Mutex
	waiting context.CancelCauseFunc // ends the present wait, nil while a try is under way
}

// New makes a Client. It sends nothing.
func New(o Options) (*Client, error) {
	rt := o.Backend.Transport
	if rt == nil {
		t, err := newTransport(o.Backend)
		if err != nil {
			return nil, err
		}
		rt = t
	}
	return &Client{
		idle: &http.Client{Transport: rt},
		http: &http.Client{
			Transport: stayOpen{rt},
			Timeout:   TryTimeout, // of one try: retries are made above it
			// A redirect would carry the token to the address that it names.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		base: strings.TrimRight(o.Backend.URL, "/"), Token: newTokenSource(o), now: o.Now,
		waits: backoff.Policy{Min: BackoffMin, Max: BackoffMax, Rand: o.Rand},
	}, nil
}

// Outcome is what the backend finally said to a message.
type Outcome struct {
	Status int
	Reply  []byte // at most MaxReply
	Tries  int
	Err    error // of the last try that failed
}

// Delivered reports that the backend has the message.
func (o Outcome) Delivered() bool { return o.Status/100 == 2 }

// Stuck reports a server error that was answered as often as the tries allow.
func (o Outcome) Stuck() bool { return o.Status/100 == 5 }

// A Request is a message as it is sent.
type Request struct {
	Path, Key, Trace string
	Body             []byte
	Final            bool
}

// Tries bound what is done for one message before control comes back.
type Tries struct {
	Before   int  // tries that were made already: the waits go on from there
	Patience int  // server errors that end it, 0 = none does
	Once     bool // any failure ends it
	// Failed is called after each try that failed with the wait that follows.
	Failed func(error, time.Duration)
}

var errKicked = errors.New("the wait was cut short")

// Deliver tries until the backend takes or refuses the message, the tries are used
// up, or ctx ends.
func (c *Client) Deliver(ctx context.Context, r Request, t Tries) (Outcome, error) {
	made := 0
	for {
		tryCtx, cancel := context.WithCancelCause(ctx)
		d := &delivery{client: c, cancel: cancel, final: r.Final, tries: t}
		out, err := d.run(tryCtx, r)
		kicked := errors.Is(context.Cause(tryCtx), errKicked)
		cancel(nil)
		c.setWaiting(nil)
		made += d.made
		t.Before += d.made
		if err == nil {
			out.Tries = made
			return out, nil
		}
		if ctx.Err() != nil {
			return Outcome{}, context.Cause(ctx)
		}
		if !kicked { // the last of its tries, or a request that cannot be made
			return Outcome{}, err
		}
	}
}

// Delay is the wait after so many tries.
func (c *Client) Delay(made int) time.Duration {
	if c.hurried.Load() {
		made = min(made, hurriedAttempt)
	}
	return c.waits.Delay(made)
}

// Pause waits between two tries; Hurry ends it.
func (c *Client) Pause(ctx context.Context, d time.Duration) error {
	waitCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.setWaiting(cancel)
	defer c.setWaiting(nil)
	if c.hurried.Load() { // since d was found
		d = min(d, c.waits.Ceiling(hurriedAttempt))
	}
	if err := backoff.Wait(waitCtx, d); err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// Hurry ends a wait between two tries, so that the next try begins now, and
// keeps the waits that follow short until it is called with false.
func (c *Client) Hurry(on bool) {
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

func (c *Client) setWaiting(cancel context.CancelCauseFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = cancel
}

// Close gives the connections up.
func (c *Client) Close() { c.idle.CloseIdleConnections() }
