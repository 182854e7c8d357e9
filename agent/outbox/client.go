package outbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"golang.org/x/net/http/httpproxy"

	"github.com/vision-platform/trainer-agent/contract"
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

// stayOpen hides the transport's CloseIdleConnections from go-retryablehttp, which
// calls it when a wait is cut short: the connection is as good as it was.
type stayOpen struct{ http.RoundTripper }

func newTransport(o Options) (*http.Transport, error) {
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: TryTimeout, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           2,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    TryTimeout,
		MaxResponseHeaderBytes: maxReplyHeader,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		// A connection that died without a word is noticed, not reused try after try.
		HTTP2: &http.HTTP2Config{SendPingTimeout: TryTimeout, PingTimeout: TryTimeout / 2},
	}
	if o.Getenv != nil {
		proxy := proxyConfig(o.Getenv).ProxyFunc()
		t.Proxy = func(r *http.Request) (*url.URL, error) { return proxy(r.URL) }
	}
	if o.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, contract.Failf(contract.CodeConfigInvalid, "AGENT_CA_FILE cannot be read: %w.", err).
			WithHint("Mount the certificate file, or unset AGENT_CA_FILE.")
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, contract.Failf(contract.CodeConfigInvalid, "AGENT_CA_FILE %s holds no PEM certificate.", o.CAFile).
			WithHint("It must begin with -----BEGIN CERTIFICATE-----.")
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}

// proxyConfig reads the usual variables, in both spellings.
func proxyConfig(getenv func(string) string) *httpproxy.Config {
	either := func(name string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return getenv(strings.ToLower(name))
	}
	return &httpproxy.Config{
		HTTPProxy: either("HTTP_PROXY"), HTTPSProxy: either("HTTPS_PROXY"), NoProxy: either("NO_PROXY"),
	}
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

// A delivery is one loop of tries.
type delivery struct {
	client  *client
	cancel  context.CancelCauseFunc
	trouble func(error, time.Duration)
	retries int
	renewed int   // tries because the token had changed
	now     bool  // the next try needs no wait
	lastErr error // of the last try
}

func (d *delivery) run(ctx context.Context, p parcel) (outcome, error) {
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, d.client.base+p.path, p.body)
	if err != nil {
		return outcome{}, fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(contract.HeaderIdempotencyKey, p.key)
	req.Header.Set(contract.HeaderTraceID, p.trace)
	d.client.token.apply(req.Header)
	retry := &retryablehttp.Client{
		HTTPClient: d.client.http, RetryMax: math.MaxInt,
		CheckRetry: d.check, Backoff: d.wait, PrepareRetry: d.prepare,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	resp, err := retry.Do(req)
	if err != nil {
		return outcome{}, fmt.Errorf("sending: %w", err)
	}
	defer resp.Body.Close()
	// The status decides; an answer that stalls or breaks off changes nothing.
	reply, _ := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	return outcome{status: resp.StatusCode, reply: reply}, nil
}

// check is the retry table of section 4 of the contract.
func (d *delivery) check(ctx context.Context, resp *http.Response, err error) (bool, error) {
	d.now = false
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		d.lastErr = err
		return true, nil //nolint:nilerr // the answer is: try again
	}
	d.lastErr = fmt.Errorf("the backend answered %s", resp.Status)
	switch status := resp.StatusCode; {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		d.now = d.renewed < authRetries && d.client.token.renew()
		if d.now {
			d.renewed++
		}
		return d.now, nil
	case status/100 == 3:
		d.lastErr = fmt.Errorf("the backend answered %s to %q, which is not followed", resp.Status, resp.Header.Get("Location"))
		return true, nil
	}
	return retryStatus(resp.StatusCode), nil
}

// retryStatus reports whether the same message may be accepted later. A redirect
// is among these although the contract's table is silent about it: it is what a
// proxy answers in front of a backend that is away.
func retryStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status/100 == 5 || status/100 == 3 || status < 200
}

func (d *delivery) wait(_, _ time.Duration, attempt int, resp *http.Response) time.Duration {
	d.retries++
	wait := time.Duration(0)
	if !d.now {
		if d.client.hurried.Load() {
			attempt = min(attempt, hurriedAttempt)
		}
		wait = backoff(attempt, d.client.rand())
		if resp != nil {
			wait = max(wait, retryAfter(resp.Header.Get("Retry-After"), d.client.now()))
		}
	}
	if resp == nil {
		d.client.close() // the next try begins with a new connection
	}
	d.trouble(d.lastErr, wait)
	d.client.setWaiting(d.cancel)
	return wait
}

// prepare runs after the wait, before the next try.
func (d *delivery) prepare(req *http.Request) error {
	d.client.setWaiting(nil)
	req.Header = req.Header.Clone() // the last try's connection may still read the old one
	d.client.token.apply(req.Header)
	return nil
}

// A tokenSource remembers the bearer token and asks for it again when told.
type tokenSource struct {
	read  func() (string, error)
	token string
}

// apply sets the Authorization header. Without a token the request goes out
// without one, and the backend's 401 makes the next try ask again.
func (t *tokenSource) apply(h http.Header) {
	if t.token == "" {
		t.renew()
	}
	if t.token != "" {
		h.Set(contract.HeaderAuthorization, "Bearer "+t.token)
	}
}

// renew reads the token again and reports whether it is a new one.
func (t *tokenSource) renew() bool {
	token, err := t.read()
	token = strings.TrimSpace(token)
	if err != nil || token == "" || token == t.token {
		return false
	}
	t.token = token
	return true
}
