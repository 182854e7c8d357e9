package delivery

import (
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// failsOnce is a backend that is away at the first try.
type failsOnce struct{ tries int }

func (f *failsOnce) RoundTrip(*http.Request) (*http.Response, error) {
	if f.tries++; f.tries == 1 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{Status: "204 No Content", StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody}, nil
}

// The end of a job may begin while the length of a wait is being drawn.
func TestAHurryThatComesAsAWaitBeginsIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c *Client
		c, err := New(Options{
			Backend: Backend{URL: "http://backend.test", Token: Token{Read: func() (string, error) { return "t", nil }}, Transport: &failsOnce{}},
			Log:     slog.New(slog.DiscardHandler), Now: time.Now, Rand: func() float64 { c.Hurry(true); return 0.9 },
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		out, err := c.Deliver(t.Context(), Request{Path: "/x", Final: true}, Tries{Before: 10, Failed: func(error, time.Duration) {}})
		if spent := time.Since(began); err != nil || !out.Delivered() || spent > time.Second {
			t.Errorf("%+v, %v after %v", out, err, spent)
		}
		c.Hurry(false)
		wait := c.Delay(10) // which hurries
		began = time.Now()
		if err := c.Pause(t.Context(), wait); err != nil || time.Since(began) > 4*time.Second {
			t.Errorf("a pause of %v, %v", time.Since(began), err)
		}
	})
}

func TestWaitsAreFullJitterBetweenNothingAndADoublingCeiling(t *testing.T) {
	draw := 0.0
	c, err := New(Options{
		Backend: Backend{URL: "http://backend.test", Token: Token{Read: func() (string, error) { return "t", nil }}},
		Log:     slog.New(slog.DiscardHandler), Now: time.Now, Rand: func() float64 { return draw },
	})
	if err != nil {
		t.Fatal(err)
	}
	for attempt, ceiling := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		if draw = 0; c.Delay(attempt) != 0 {
			t.Errorf("the shortest wait %d is %v, want 0", attempt, c.Delay(attempt))
		}
		if draw = 0.5; c.Delay(attempt) != ceiling*time.Second/2 {
			t.Errorf("the middle wait %d is %v, want %v", attempt, c.Delay(attempt), ceiling*time.Second/2)
		}
	}
	for _, attempt := range []int{63, 64, 1 << 40} {
		if got := c.Delay(attempt); got != 30*time.Second {
			t.Errorf("wait %d is %v", attempt, got)
		}
	}
}
