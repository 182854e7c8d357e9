package delivery

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
	"github.com/vision-platform/trainer-agent/contract"
)

// A delivery is one loop of tries.
type delivery struct {
	client  *Client
	cancel  context.CancelCauseFunc
	final   bool
	tries   Tries
	made    int   // tries that failed
	errors  int   // of them, server errors for this message
	renewed int   // tries because the token had changed
	now     bool  // the next try needs no wait
	lastErr error // of the last try
}

func (d *delivery) run(ctx context.Context, r Request) (Outcome, error) {
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, d.client.base+r.Path, r.Body)
	if err != nil {
		return Outcome{}, fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(contract.HeaderIdempotencyKey, r.Key)
	req.Header.Set(contract.HeaderTraceID, r.Trace)
	d.client.Token.apply(req.Header)
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
		return Outcome{}, fmt.Errorf("sending: %w", err)
	}
	// The status decides; an answer that stalls or breaks off changes nothing.
	reply, _ := io.ReadAll(io.LimitReader(resp.Body, MaxReply))
	return Outcome{Status: resp.StatusCode, Reply: reply, Err: d.lastErr}, nil
}

// check is the retry table of section 4 of the contract.
func (d *delivery) check(ctx context.Context, resp *http.Response, err error) (bool, error) {
	d.now = false
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		d.lastErr = err
		return !d.tries.Once, nil //nolint:nilerr // the answer is: try again
	}
	d.lastErr = fmt.Errorf("the backend answered %s", resp.Status)
	status := resp.StatusCode
	switch {
	case status/100 == 2:
		d.client.Token.taken()
		return false, nil
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return d.unauthorized(resp), nil
	case status/100 == 3:
		d.lastErr = fmt.Errorf("the backend answered %s to %q, which is not followed", resp.Status, resp.Header.Get("Location"))
	case status/100 == 5 && resp.Header.Get("Retry-After") == "":
		d.errors++
	}
	if d.tries.Once || (d.tries.Patience > 0 && d.errors >= d.tries.Patience) {
		d.made++
		return false, nil
	}
	return retryStatus(status), nil
}

// unauthorized decides on a 401 or 403: again at once with a token that has
// changed, later where one may come, else not.
func (d *delivery) unauthorized(resp *http.Response) bool {
	token := d.client.Token
	d.now = d.renewed < AuthRetries && token.Renew()
	if d.now {
		d.renewed++
		return true
	}
	d.lastErr = token.refused(resp.Status)
	return resp.StatusCode == http.StatusUnauthorized && token.patient(d.final) && !d.tries.Once
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

func (d *delivery) wait(_, _ time.Duration, _ int, resp *http.Response) time.Duration {
	d.client.setWaiting(d.cancel) // before the length is known: a hurry that comes from here on ends the wait
	wait := time.Duration(0)
	if !d.now {
		wait = d.client.Delay(d.tries.Before + d.made)
		if resp != nil {
			asked, _ := backoff.RetryAfter(resp.Header, d.client.now(), RetryAfterMax)
			wait = max(wait, asked)
		}
	}
	d.made++
	if resp == nil {
		d.client.Close() // the next try begins with a new connection
	}
	d.tries.Failed(d.lastErr, wait)
	return wait
}

// prepare runs after the wait, before the next try.
func (d *delivery) prepare(req *http.Request) error {
	d.client.setWaiting(nil)
	req.Header = req.Header.Clone() // the last try's connection may still read the old one
	d.client.Token.apply(req.Header)
	return nil
}
