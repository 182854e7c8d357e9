package process

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// An hour stands for "longer than any test": a stop that returns did not wait
// for it.
const longGrace = time.Hour

func TestStopKillsWhatIgnoresTERM(t *testing.T) {
	for name, opts := range map[string]Options{"own cgroup": {}, "process table": {NoCgroup: true}} {
		t.Run(name, func(t *testing.T) {
			s := newSupervisor(t, opts)
			c, _ := startReady(t, s, Spec{Main: true}, "ignoreTERM")
			got := c.Stop(t.Context(), Stop{Reason: ReasonTimeLimit, Grace: time.Millisecond})
			if !got.Killed || got.Err() != nil || got.Reason != ReasonTimeLimit || c.Status().ExitCode != 137 {
				t.Errorf("outcome %+v, status %v", got, c.Status())
			}
		})
	}
}

func TestStopEndsAsSoonAsTheGroupIsGone(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, _ := startReady(t, s, Spec{Main: true}, "listen")
	got := c.Stop(t.Context(), Stop{Grace: longGrace})
	if got.Killed || c.Status().ExitCode != 3 {
		t.Errorf("outcome %+v, status %v", got, c.Status())
	}
}

func TestStopKillsDescendantsThatForkedAway(t *testing.T) {
	for name, opts := range map[string]Options{"own cgroup": {}, "process table": {NoCgroup: true}} {
		t.Run(name, func(t *testing.T) {
			s := newSupervisor(t, opts)
			probe, _ := startReady(t, s, Spec{}, "ignoreTERM")
			c, out := startReady(t, s, Spec{Main: true}, "escape")
			out.waitN(t, "ready", 2)
			if got := c.Stop(t.Context(), Stop{Grace: longGrace}); got.Err() != nil {
				t.Error(got.Err())
			}
			for _, pid := range out.pids() {
				if syscall.Kill(pid, 0) == nil {
					t.Errorf("process %d survived", pid)
				}
			}
			if syscall.Kill(probe.PID(), 0) != nil {
				t.Error("the probe beside the child was killed, too")
			}
		})
	}
}

func TestStopOfTheProbeLeavesTheMainChildAlone(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, out := startReady(t, s, Spec{Main: true}, "escape")
	out.waitN(t, "ready", 2)
	probe, left := startReady(t, s, Spec{}, "escape")
	left.waitN(t, "ready", 2)
	probe.Stop(t.Context(), Stop{Grace: time.Millisecond})
	for _, pid := range out.pids() {
		if syscall.Kill(pid, 0) != nil {
			t.Errorf("process %d of the main child is gone", pid)
		}
	}
	c.Stop(t.Context(), Stop{})
}

func TestStopRemovesWhatAFinishedChildLeft(t *testing.T) {
	s := newSupervisor(t, Options{DrainWait: time.Millisecond})
	out := newWatched()
	c := startRole(t, s, Spec{Main: true, Stdout: out}, "leak")
	if code := c.Status().ExitCode; code != 5 {
		t.Errorf("exit code %d, want 5", code)
	}
	if got := c.Stop(t.Context(), Stop{Reason: ReasonFinished, Grace: longGrace}); got.Err() != nil || got.Killed || len(got.Left) != 1 || got.Left[0].Name != "sleep" {
		t.Errorf("outcome %+v", got)
	}
	for _, pid := range out.pids() {
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("process %d survived", pid)
		}
	}
}

// On a busy machine it is late; that is no fault of the script.
func TestStopDoesNotNamePyTorchsKeeperOfSharedMemory(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	keeper := filepath.Join(t.TempDir(), "torch_shm_manager")
	if err := os.Symlink(sleep, keeper); err != nil {
		t.Fatal(err)
	}
	s := newSupervisor(t, Options{DrainWait: time.Millisecond})
	c, out := startReady(t, s, Spec{Main: true}, "leak", keeper)
	if got := c.Stop(t.Context(), Stop{Reason: ReasonFinished, Grace: longGrace}); got.Err() != nil || got.Killed || len(got.Left) != 0 {
		t.Errorf("outcome %+v", got)
	}
	for _, pid := range out.pids() {
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("process %d survived", pid)
		}
	}
}

// A shell that the image put before the trainer dies of SIGTERM at once; the
// trainer still needs its grace to save the last checkpoint.
func TestShellThatDiesAtOnceDoesNotCutTheTrainersGrace(t *testing.T) {
	s := newSupervisor(t, Options{})
	out := newWatched()
	c, err := s.Start(Spec{
		Args: []string{"/bin/sh", "-c", os.Args[0] + " linger & wait"},
		Env:  os.Environ(), Main: true, Stdout: out,
	})
	if err != nil {
		t.Fatal(err)
	}
	out.wait(t, "ready")
	if got := c.Stop(t.Context(), Stop{Grace: longGrace}); got.Err() != nil {
		t.Error(got.Err())
	}
	if got := out.String(); !contains(got, "saved") {
		t.Errorf("the trainer could not save: %q", got)
	}
}

func TestStopReachesAStoppedChild(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, _ := startReady(t, s, Spec{Main: true}, "listen")
	c.Signal(syscall.SIGSTOP)
	if c.Stop(t.Context(), Stop{Grace: longGrace}).Killed || c.Status().ExitCode != 3 {
		t.Errorf("status %v, want its own exit code 3", c.Status())
	}
}

func TestStopOfAChildThatIgnoresEverythingAndStopsItself(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, _ := startReady(t, s, Spec{Main: true}, "stubborn")
	if got := c.Stop(t.Context(), Stop{Grace: time.Millisecond}); !got.Killed || got.Err() != nil {
		t.Errorf("outcome %+v", got)
	}
}

func TestEndOfContextEndsTheGrace(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, _ := startReady(t, s, Spec{Main: true}, "ignoreTERM")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if !c.Stop(ctx, Stop{Grace: longGrace}).Killed {
		t.Error("not killed")
	}
}

func TestConcurrentStopsHaveOneOutcome(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, _ := startReady(t, s, Spec{Main: true}, "ignoreTERM")
	outcomes := make(chan Outcome)
	for range 4 {
		go func() {
			outcomes <- c.Stop(context.Background(), Stop{Reason: ReasonHung, Grace: time.Millisecond})
		}()
	}
	for range 4 {
		if got := <-outcomes; got.Reason != ReasonHung || !got.Killed {
			t.Errorf("outcome %+v", got)
		}
	}
}

func TestSecondRequestShortensTheGraceAndTheThirdEndsIt(t *testing.T) {
	for name, hurry := range map[string]time.Duration{"second": time.Millisecond, "third": longGrace} {
		t.Run(name, func(t *testing.T) {
			s := newSupervisor(t, Options{Hurry: hurry})
			c, _ := startReady(t, s, Spec{Main: true}, "ignoreTERM")
			stopped := make(chan Outcome)
			wanted := 2
			if name == "third" {
				wanted = 3
			}
			for n := range wanted {
				raise(t, syscall.SIGTERM)
				if r := <-s.Requests(); r.Count != n+1 || r.Signal != syscall.SIGTERM {
					t.Errorf("request %+v, want number %d", r, n+1)
				}
				if n == 0 {
					go func() { stopped <- c.Stop(context.Background(), Stop{Grace: longGrace}) }()
				}
			}
			if got := <-stopped; !got.Killed || got.Err() != nil || got.Grace >= longGrace || got.Signal != syscall.SIGTERM {
				t.Errorf("outcome %+v", got)
			}
		})
	}
}

func TestTheSignalThatAskedIsTheOneThatTheChildGets(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, out := startReady(t, s, Spec{Main: true}, "listen")
	raise(t, syscall.SIGINT)
	<-s.Stopping().Done()
	go c.Stop(context.Background(), Stop{Reason: ReasonRequest, Grace: longGrace})
	out.wait(t, "got 2\n")
	raise(t, syscall.SIGTERM) // the second request is passed on, too
	c.Status()
	if got := out.String(); !contains(got, "count 2 1\n") || !contains(got, "count 15 1\n") {
		t.Errorf("got %s", got)
	}
}
