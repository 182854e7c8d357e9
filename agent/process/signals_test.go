package process

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/process/signals"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func raise(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		t.Fatal(err)
	}
}

func TestSignalBeforeTheChildReachesItOnce(t *testing.T) {
	s := newSupervisor(t, Options{})
	raise(t, syscall.SIGUSR2)
	eventually(t, "the signal waits", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Equal(s.waiting, []syscall.Signal{syscall.SIGUSR2})
	})
	// A program without a handler proves it by its death.
	helper := startRole(t, s, Spec{}, "exit", "0")
	if got := helper.Status(); got.Signal != 0 {
		t.Errorf("a helper got the main child's signal: %v", got)
	}
	c, err := s.Start(Spec{Args: []string{"sleep", "infinity"}, Env: os.Environ(), Main: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Status(); got.Signal != syscall.SIGUSR2 {
		t.Errorf("status %v, want death by SIGUSR2", got)
	}
	second, _ := startReady(t, s, Spec{Main: true}, "ignoreTERM")
	second.Stop(t.Context(), Stop{})
	if got := second.Status(); got.Signal != syscall.SIGKILL {
		t.Errorf("the signal was delivered twice: %v", got)
	}
}

func TestStopRequestBeforeTheChildStopsAtOnce(t *testing.T) {
	s := newSupervisor(t, Options{})
	ctx, cancel := s.WithStop(t.Context())
	defer cancel()
	raise(t, syscall.SIGTERM)
	<-ctx.Done() // a download ends here
	if r, ok := errors.AsType[Request](context.Cause(ctx)); !ok || r.Signal != syscall.SIGTERM || r.Count != 1 {
		t.Errorf("cause is %v", context.Cause(ctx))
	}
	_, err := s.Start(Spec{Args: self("exit", "0"), Env: os.Environ(), Main: true})
	if _, ok := errors.AsType[Request](err); !ok {
		t.Errorf("a child started after the stop request: %v", err)
	}
	if got := startRole(t, s, Spec{}, "exit", "4").Status(); got.ExitCode != 4 {
		t.Errorf("a helper for the shutdown could not run: %v", got)
	}
}

func TestSignalBeforeTheSupervisorIsHeard(t *testing.T) {
	signals.Listen()
	raise(t, syscall.SIGTERM)
	s := newSupervisor(t, Options{})
	<-s.Stopping().Done()
	if r, ok := errors.AsType[Request](context.Cause(s.Stopping())); !ok || r.Signal != syscall.SIGTERM {
		t.Errorf("cause is %v", context.Cause(s.Stopping()))
	}
}

func TestRequestsAfterTheThirdSayNothingNew(t *testing.T) {
	s := newSupervisor(t, Options{})
	for range 10 { // nobody reads, and nothing blocks
		s.handle(syscall.SIGTERM)
	}
	for n := 1; n <= signals.Most; n++ {
		if r := <-s.Requests(); r.Count != n {
			t.Errorf("request %d, want %d", r.Count, n)
		}
	}
	select {
	case r := <-s.Requests():
		t.Errorf("one more: %+v", r)
	default:
	}
}
