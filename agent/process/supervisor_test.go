package process

import (
	"os"
	"testing"
	"time"
)

func newSupervisor(t *testing.T, opts Options) *Supervisor {
	t.Helper()
	s, err := NewSupervisor(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func start(t *testing.T, s *Supervisor, role string, spec Spec, args ...string) *Child {
	t.Helper()
	spec.Args = append([]string{os.Args[0]}, args...)
	spec.Env = append(self(role), spec.Env...)
	c, err := s.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestStatusIsTheChildsOwn(t *testing.T) {
	s := newSupervisor(t, Options{})
	if got := start(t, s, "exit", Spec{}, "7").Status(); got.ExitCode != 7 || got.Signal != 0 {
		t.Errorf("status is %v, want exit code 7", got)
	}
}

func TestStopKillsWhatIgnoresTERM(t *testing.T) {
	s := newSupervisor(t, Options{})
	out := newWaitFor("ready")
	c := start(t, s, "ignoreTERM", Spec{Main: true, Stdout: out})
	out.wait(t)
	got := c.Stop(t.Context(), Stop{Reason: ReasonTimeLimit, Grace: time.Millisecond})
	if !got.Killed || got.Err() != nil || c.Status().ExitCode != 137 {
		t.Errorf("outcome %+v, status %v", got, c.Status())
	}
}
