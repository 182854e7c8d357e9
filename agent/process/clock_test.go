package process

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/process/table"
)

func TestAStoppedChildDoesNotUseUpItsTime(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, _ := startReady(t, s, Spec{Main: true}, "ignoreTERM")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k := c.Clock(ctx, 10*time.Millisecond)
	eventually(t, "the clock runs", func() bool { return k.Ran() > 5*time.Millisecond })
	c.Signal(syscall.SIGSTOP)
	eventually(t, "the child is stopped", func() bool { return table.Stopped(c.PID()) })
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
