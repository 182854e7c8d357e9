package stage

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheBudgetOfTheEndIsWhatAStopLeaves(t *testing.T) {
	now := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		deadline time.Time
		want     time.Duration
	}{
		"nobody waits":         {time.Time{}, 10 * time.Minute},
		"20 s of the grace":    {now.Add(20 * time.Second), 17 * time.Second},
		"the grace is used up": {now.Add(-time.Second), MinTail},
	} {
		if got := Budget(c.deadline, 10*time.Minute, now); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestARequestToStopHurriesTheEnd(t *testing.T) {
	for share, want := range map[time.Duration]time.Duration{10 * time.Second: 10 * time.Second, time.Second: MinTail} {
		synctest.Test(t, func(t *testing.T) {
			stopping, stop := context.WithCancel(t.Context())
			ctx, release := Hurried(t.Context(), stopping, share)
			defer release()
			time.Sleep(time.Hour) // virtual
			if ctx.Err() != nil {
				t.Fatal("it ended without a request")
			}
			began := time.Now()
			stop()
			<-ctx.Done()
			if took := time.Since(began); took != want {
				t.Errorf("it ended after %v, want %v", took, want)
			}
		})
	}
}

func TestWhatComesBeforeTheLastWordLeavesItTime(t *testing.T) {
	for name, c := range map[string]struct {
		stop  bool // at once
		share time.Duration
		want  time.Duration
	}{
		"nobody stops it":     {false, time.Second, 8 * time.Second},
		"a stop":              {true, 5 * time.Second, 4 * time.Second},
		"a stop with no time": {true, -time.Second, MinTail * 8 / 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stopping, stop := context.WithCancel(t.Context())
				defer stop()
				began := time.Now()
				ctx, release := Ahead(t.Context(), stopping, 10*time.Second, c.share)
				defer release()
				if c.stop {
					stop()
				}
				<-ctx.Done()
				if took := time.Since(began); took != c.want {
					t.Errorf("it ended after %v, want %v", took, c.want)
				}
			})
		})
	}
}
