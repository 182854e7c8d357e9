package outbox

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/vision-platform/trainer-agent/contract"
)

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
	if resp != nil { // there is one beside the error too, when it arrives as ctx ends
		defer resp.Body.Close()
	}
	if err != nil {
		return outcome{}, fmt.Errorf("sending: %w", err)
	}
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
