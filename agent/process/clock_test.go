package process

import (
	"context"
	"syscall"
	"testing"
	"time"
)

func TestWhatAClockCounts(t *testing.T) {
	cases := map[string]struct {
		gap     time.Duration
		stopped bool
		want    time.Duration
	}{
		"a second as any other":                 {time.Second, false, time.Second},
		"a machine under load is no pause":      {8 * time.Second, false, 8 * time.Second},
		"a container that was frozen for hours": {3 * time.Hour, false, time.Second},
		"a child that is stopped":               {time.Second, true, 0},
	}
	for name, tc := range cases {
		if got := counted(tc.gap, time.Second, tc.stopped); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestAStoppedChildDoesNotUseUpItsTime(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, _ := startReady(t, s, Spec{Main: true}, "ignoreTERM")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k := c.Clock(ctx, 10*time.Millisecond)
	eventually(t, "the clock runs", func() bool { return k.Ran() > 5*time.Millisecond })
	c.Signal(syscall.SIGSTOP)
	eventually(t, "the child is stopped", c.stopped)
	eventually(t, "the clock stands", func() bool {
		before := k.Ran()
		<-time.After(20 * time.Millisecond) // several looks
		return k.Ran() == before
	})
	over := k.After(ctx, k.Ran()+time.Millisecond)
	select {
	case <-over:
		t.Error("the time of a stopped child is over")
	case <-time.After(20 * time.Millisecond):
	}
	c.Signal(syscall.SIGCONT)
	<-over
	c.Stop(t.Context(), Stop{})
}
