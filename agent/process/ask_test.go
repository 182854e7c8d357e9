package process

import (
	"testing"
	"time"
)

func TestTheWorkersOfATrainerLiveUntilItHasSaved(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, out := startReady(t, s, Spec{Main: true}, "workshop")
	got := c.Stop(t.Context(), Stop{Grace: longGrace})
	if got.Killed || c.Status().ExitCode != 3 || !contains(out.String(), "worker lives: true") {
		t.Errorf("outcome %+v, status %v, output %q", got, c.Status(), out.String())
	}
}

func TestARankOfALauncherIsAskedOnce(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, out := startReady(t, s, Spec{Main: true}, "launcher")
	c.Stop(t.Context(), Stop{Grace: longGrace})
	if got := out.String(); !contains(got, "count 15 1\n") {
		t.Errorf("the rank got %q", got)
	}
}

// The worker ends when it is asked, which the last quarter of the grace does.
func TestTheRestOfTheGroupIsAskedLateInTheGrace(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, out := startReady(t, s, Spec{Main: true}, "patient")
	a, ok := ask(c, 15, 2*time.Second)
	if !ok || len(a.first) != 1 || a.first[0].PID != c.PID() {
		t.Fatalf("asked %+v", a)
	}
	ended := a.wait(t.Context())
	if c.Status(); !ended || !contains(out.String(), "worker gone") {
		t.Errorf("the worker was not asked: %q", out.String())
	}
}
