package trace

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	firstWait   = time.Second
	longestWait = time.Minute
)

// run sends spans as they end. A collector that is away is asked again, ever
// less often; the spans wait meanwhile.
func (t *Tracer) run(ctx context.Context) {
	defer close(t.stopped)
	var again <-chan time.Time // nil, or when to try once more
	wait := firstWait
	for {
		wake := t.wake
		if again != nil {
			wake = nil // new spans wait for the collector too
		}
		select {
		case <-wake:
		case <-again:
		case <-t.closing:
			return
		}
		again = nil
		after, err := t.send(ctx, t.settings.timeout)
		if err == nil {
			wait = firstWait
			continue
		}
		if wait == firstWait {
			t.opts.Log.Warn("traces cannot be delivered; the job goes on without a collector", "error", err)
		}
		again = time.After(max(after, wait/2+rand.N(wait/2+1)))
		wait = min(2*wait, longestWait)
	}
}

// finish ends the sender and sends what is left, in one try.
func (t *Tracer) finish(ctx context.Context) {
	t.close()
	select {
	case <-t.stopped:
	case <-ctx.Done():
		t.cancel() // a collector that hangs
		<-t.stopped
	}
	_, err := t.send(ctx, t.settings.timeout)
	t.mu.Lock()
	defer t.mu.Unlock()
	if lost := len(t.ended) + t.dropped; lost > 0 {
		t.opts.Log.Warn("some spans of the job's trace were not delivered", "spans", lost, "error", err)
		t.ended, t.dropped = nil, 0
	}
}

// send posts what has ended. A refusal for good drops it with a log line; an
// error means that a later try may succeed, not before after.
func (t *Tracer) send(ctx context.Context, timeout time.Duration) (after time.Duration, err error) {
	t.mu.Lock()
	batch := t.ended
	t.ended = nil
	t.mu.Unlock()
	if len(batch) == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	status, after, err := t.post(ctx, encode(t.trace, t.resource, batch))
	switch {
	case err == nil && status/100 == 2:
		return 0, nil
	case err == nil && !transient(status):
		t.opts.Log.Warn("the collector refused spans of the job's trace", "spans", len(batch), "status", status)
		return 0, nil
	case err == nil:
		err = fmt.Errorf("the collector answers %d", status)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.ended {
		batch = t.keep(batch, s)
	}
	t.ended = batch
	return after, err
}

// transient statuses are those that OTLP's specification says to retry.
func transient(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

func (t *Tracer) post(ctx context.Context, body []byte) (status int, after time.Duration, err error) {
	if t.settings.gzip {
		body = compressed(body)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.settings.endpoint, bytes.NewReader(body))
	if err != nil {
		return 0, 0, errors.New("the endpoint is no URL")
	}
	request.Header = t.settings.headers.Clone()
	request.Header.Set("Content-Type", "application/x-protobuf")
	if t.settings.gzip {
		request.Header.Set("Content-Encoding", "gzip")
	}
	response, err := t.opts.Client.Do(request)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // the URL may hold a key
		}
		return 0, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection can be used again
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	return response.StatusCode, min(time.Duration(max(seconds, 0))*time.Second, longestWait), nil
}

func compressed(body []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(body) // memory takes everything
	_ = w.Close()
	return out.Bytes()
}
