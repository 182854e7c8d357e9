package hang

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestOnlyTheAbsenceOfEverySignIsAHang(t *testing.T) {
	idle := func() time.Duration { return 0 }
	for name, c := range map[string]struct {
		activity func(began time.Time) time.Time
		cpu      func() time.Duration
		gpu      bool
		want     bool
	}{
		"nothing at all":             {func(began time.Time) time.Time { return began }, idle, false, true},
		"output":                     {func(time.Time) time.Time { return time.Now() }, idle, false, false},
		"a processor that works":     {func(began time.Time) time.Time { return began }, func() time.Duration { return time.Duration(time.Now().UnixNano()) }, false, false},
		"a processor that polls":     {func(began time.Time) time.Time { return began }, func() time.Duration { return time.Duration(time.Now().UnixNano()) / 100 }, false, true},
		"a GPU that works":           {func(began time.Time) time.Time { return began }, idle, true, false},
		"silent after some activity": {func(began time.Time) time.Time { return began.Add(90 * time.Second) }, idle, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				began := time.Now()
				w := Watch{Timeout: time.Minute, Now: time.Now, Activity: func() time.Time { return c.activity(began) }, GPUBusy: func() bool { return c.gpu }}
				quiet, hangs := w.Wait(ctx, c.cpu)
				if hangs != c.want || hangs && quiet < time.Minute {
					t.Errorf("it hangs: %v, after %v", hangs, quiet)
				}
			})
		})
	}
}

func TestAPauseOfTheWholeContainerIsNoHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		began := time.Now()
		var frozen atomic.Int64 // of the clock, which goes on while the container stands still
		time.AfterFunc(45*time.Second, func() { frozen.Store(int64(time.Hour)) })
		w := Watch{Timeout: time.Minute, Now: func() time.Time { return time.Now().Add(time.Duration(frozen.Load())) }, Activity: func() time.Time { return began },
			GPUBusy: func() bool { return false }}
		if quiet, hangs := w.Wait(ctx, func() time.Duration { return 0 }); hangs {
			t.Errorf("called a hang after %v", quiet)
		}
	})
}
