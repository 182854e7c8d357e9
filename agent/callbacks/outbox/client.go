package outbox

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxReply       = 64 << 10 // of a backend's answer
	maxReplyHeader = 64 << 10
	authRetries    = 3 // tries of one message with a token that has just changed
	hurriedAttempt = 2 // the wait grows no further than after this try, 4 s at most
)

// A client carries one message at a time to the backend, for as long as it
// takes. go-retryablehttp rewinds bodies, drains answers and loops; when to try
// again and how long to wait is decided here and in backoff.go, because its own
// policies have no full jitter, no cap on Retry-After and no time limit a try.
type client struct {
	http  *http.Client
	idle  interface{ CloseIdleConnections() } // of the transport
	base  string
	trace string
	token *tokenSource
	rand  func() float64
	now   func() time.Time

	hurried atomic.Bool // the agent is about to end: wait less between tries

	mu      sync.Mutex
	waiting context.CancelCauseFunc // ends the present wait, nil while a try is under way
}

func newClient(o Options) (*client, error) {
	rt := o.Transport
	if rt == nil {
		t, err := newTransport(o)
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
			// A redirect would carry the token to whoever it names.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		base: strings.TrimRight(o.BaseURL, "/"), trace: o.TraceID,
		token: &tokenSource{read: o.Token}, rand: o.Rand, now: o.Now,
	}, nil
}

// outcome is what the backend finally said to a message.
type outcome struct {
	status  int
	reply   []byte // at most maxReply
	retries int
}

func (o outcome) delivered() bool { return o.status/100 == 2 }

// parcel is a message as it is sent.
type parcel struct {
	path, key, trace string
	body             []byte
}

var errKicked = errors.New("the wait was cut short")

// deliver tries until the backend takes or refuses the message or ctx ends.
// trouble is called after each failed try with the wait that follows.
func (c *client) deliver(ctx context.Context, p parcel, trouble func(error, time.Duration)) (outcome, error) {
	retries := 0
	for {
		tryCtx, cancel := context.WithCancelCause(ctx)
		d := &delivery{client: c, cancel: cancel, trouble: trouble}
		out, err := d.run(tryCtx, p)
		kicked := errors.Is(context.Cause(tryCtx), errKicked)
		cancel(nil)
		c.setWaiting(nil)
		retries += d.retries
		if err == nil {
			out.retries = retries
			return out, nil
		}
		if ctx.Err() != nil {
			return outcome{}, ctx.Err()
		}
		if !kicked { // no policy of ours ends like this: a request that cannot be made
			return outcome{}, err
		}
	}
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
