package backoff_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
)

func TestWaitEndsWithItsTimeOrItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := backoff.Wait(t.Context(), time.Hour); err != nil || time.Since(began) != time.Hour {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		stopped := errors.New("stopped")
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { stop(stopped) })
		if err := backoff.Wait(ctx, time.Hour); !errors.Is(err, stopped) || time.Since(began) != time.Hour+time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if err := backoff.Wait(ctx, 0); !errors.Is(err, stopped) {
			t.Errorf("no time, and a context that has ended: %v", err)
		}
		if err := backoff.Wait(t.Context(), -time.Second); err != nil {
			t.Errorf("no time: %v", err)
		}
	})
}

func TestDelayIsDrawnBelowACeilingThatDoubles(t *testing.T) {
	p := backoff.Policy{Min: time.Second, Max: time.Minute}
	for attempt, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		want *= time.Second
		for _, draw := range []float64{0, 0.25, 0.999999} {
			p.Rand = func() float64 { return draw }
			if got := p.Delay(attempt); got != time.Duration(draw*float64(want)) {
				t.Errorf("try %d, draw %v: %s of at most %s", attempt, draw, got, want)
			}
		}
	}
	if got := p.Ceiling(1 << 40); got != time.Minute {
		t.Errorf("after very many tries: %s", got)
	}
	if got := p.Ceiling(-1); got != time.Second {
		t.Errorf("before the first: %s", got)
	}
	p.Rand = nil
	seen := map[time.Duration]bool{}
	for range 20 {
		d := p.Delay(3)
		seen[d] = true
		if d < 0 || d >= 8*time.Second {
			t.Errorf("%s is out of bounds", d)
		}
	}
	if len(seen) < 10 {
		t.Errorf("no jitter: %v", seen)
	}
}

func TestRetryAfterInBothForms(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const most = 5 * time.Minute
	for value, want := range map[string]struct {
		d  time.Duration
		ok bool
	}{
		"":                               {0, false},
		"soon":                           {0, false},
		"-5":                             {0, false},
		"1.5":                            {0, false},
		"0":                              {0, true},
		" 7 ":                            {7 * time.Second, true},
		"299":                            {299 * time.Second, true},
		"3600":                           {most, true},
		"99999999999999999999999999":     {most, true},
		"Fri, 02 Jan 2026 03:04:35 GMT":  {30 * time.Second, true},
		"Fri, 02 Jan 2026 03:00:00 GMT":  {0, true},
		"Fri, 02 Jan 2026 04:00:00 GMT":  {most, true},
		"Friday, 02-Jan-26 03:04:15 GMT": {10 * time.Second, true},
	} {
		got, ok := backoff.RetryAfter(http.Header{"Retry-After": {value}}, now, most)
		if got != want.d || ok != want.ok {
			t.Errorf("%q: %s, %v; want %s, %v", value, got, ok, want.d, want.ok)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("12")
	f.Add("Fri, 02 Jan 2026 03:04:35 GMT")
	f.Fuzz(func(t *testing.T, value string) {
		d, ok := backoff.RetryAfter(http.Header{"Retry-After": {value}}, time.Now(), time.Minute)
		if d < 0 || d > time.Minute || !ok && d != 0 {
			t.Errorf("%q: %s, %v", value, d, ok)
		}
	})
}
