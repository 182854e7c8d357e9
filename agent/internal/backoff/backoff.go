// Package backoff says how long to wait before trying again, and waits. It promises
// full jitter, so that a thousand agents which lost a server at the same moment do
// not come back at the same moment, both forms of Retry-After, and to stop waiting
// as soon as a context ends. It leaves what is worth another try to its callers.
package backoff

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Policy is an exponential backoff between two bounds.
type Policy struct {
	Min, Max time.Duration
	// Rand draws from [0, 1); nil is math/rand's.
	Rand func() float64
}

// Delay is the wait after failed try number attempt (from 0): a uniform draw
// between nothing and a ceiling that doubles from Min to Max ("full jitter" in
// https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
func (p Policy) Delay(attempt int) time.Duration {
	draw := p.Rand
	if draw == nil {
		draw = rand.Float64
	}
	return time.Duration(draw() * float64(p.Ceiling(attempt)))
}

// Ceiling is the longest that Delay may return.
func (p Policy) Ceiling(attempt int) time.Duration {
	ceiling := min(p.Min, p.Max)
	for range attempt {
		if ceiling >= p.Max/2 {
			return p.Max
		}
		ceiling *= 2
	}
	return ceiling
}

// RetryAfter reads both forms of the header, seconds and a date (RFC 9110, section
// 10.2.3), capped at longest. It is false for what it cannot read.
func RetryAfter(h http.Header, now time.Time, longest time.Duration) (time.Duration, bool) {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0, false
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseUint(value, 10, 64)
		if err != nil || seconds > uint64(longest/time.Second) {
			return longest, true // more than is honoured, or than fits
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(0, at.Sub(now)), longest), true
}

// Wait waits for d, or returns the context's cause as soon as that ends.
func Wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
