package delivery

import (
	"log/slog"
	"testing"
	"time"
)

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
