package process

import (
	"os"
	"syscall"
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

// start starts a role.
func startRole(t *testing.T, s *Supervisor, spec Spec, role string, args ...string) *Child {
	t.Helper()
	spec.Args = self(role, args...)
	spec.Env = os.Environ()
	c, err := s.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// startReady starts a role and waits for its "ready".
func startReady(t *testing.T, s *Supervisor, spec Spec, role string, args ...string) (*Child, *watched) {
	t.Helper()
	out := newWatched()
	spec.Stdout = out
	c := startRole(t, s, spec, role, args...)
	out.wait(t, "ready")
	return c, out
}

// eventually waits for a state of the system that nothing announces.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	giveUp := time.NewTimer(30 * time.Second)
	defer giveUp.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-giveUp.C:
			t.Fatalf("never happened: %s", what)
		}
	}
}

func TestStatusIsTheChildsOwn(t *testing.T) {
	s := newSupervisor(t, Options{})
	var children []*Child
	for code := range 50 {
		children = append(children, startRole(t, s, Spec{}, "exit", string(rune('0'+code/10))+string(rune('0'+code%10))))
	}
	for code, c := range children {
		if got := c.Status(); got.ExitCode != code || got.Signal != 0 {
			t.Errorf("status is %v, want exit code %d", got, code)
		}
	}
}

func TestStatusNamesTheSignal(t *testing.T) {
	s := newSupervisor(t, Options{})
	for name, sig := range map[string]syscall.Signal{
		"12": syscall.SIGUSR2, "6": syscall.SIGABRT, "9": syscall.SIGKILL, "15": syscall.SIGTERM, "37": 37,
	} {
		// A Go program would catch some of them. Not SIGHUP: under nohup it is ignored, as it should be.
		c, err := s.Start(Spec{Args: []string{"/bin/sh", "-c", "ulimit -c 0; kill -" + name + " $$"}})
		if err != nil {
			t.Fatal(err)
		}
		got := c.Status()
		if got.Signal != sig || got.ExitCode != 128+int(sig) {
			t.Errorf("killed by %d, but the status is %+v", sig, got)
		}
	}
}

func TestOnlyOneSupervisorInAProcess(t *testing.T) {
	newSupervisor(t, Options{})
	if _, err := NewSupervisor(Options{}); err == nil {
		t.Error("a second supervisor was opened")
	}
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	s, err := NewSupervisor(Options{})
	if err != nil {
		t.Fatal(err)
	}
	main, out := startReady(t, s, Spec{Main: true}, "escape")
	out.waitN(t, "ready", 2)
	probe, _ := startReady(t, s, Spec{}, "ignoreTERM")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if main.Status().ExitCode != 137 || probe.Status().ExitCode != 137 {
		t.Errorf("main %v, probe %v", main.Status(), probe.Status())
	}
	for _, pid := range out.pids() {
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("process %d still there", pid)
		}
	}
	if _, err := s.Start(Spec{Args: self("exit", "0")}); err == nil {
		t.Error("a closed supervisor started a process")
	}
}

func TestUsageSeesTheChildWork(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, _ := startReady(t, s, Spec{Main: true}, "burn")
	first, err := c.Usage()
	if err != nil || first.Processes != 1 || first.RSS == 0 || first.Threads == 0 {
		t.Fatalf("usage %+v, %v", first, err)
	}
	eventually(t, "CPU time grows", func() bool {
		now, err := c.Usage()
		return err == nil && now.CPU > first.CPU
	})
	c.Stop(t.Context(), Stop{})
}

func TestDumpStacksAsksOnlyWhoCanAnswer(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, out := startReady(t, s, Spec{Main: true}, "dumpable")
	n, err := c.DumpStacks()
	if err != nil || n != 1 {
		t.Errorf("asked %d, %v; want 1", n, err)
	}
	out.wait(t, "dumped; child lives: true")
	c.Stop(t.Context(), Stop{})
}

func TestUSR1NeverKillsAProgramWithoutAHandler(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, err := s.Start(Spec{Args: []string{"sleep", "infinity"}, Env: os.Environ(), Main: true})
	if err != nil {
		t.Fatal(err)
	}
	s.handle(syscall.SIGUSR1)
	if c.Stop(t.Context(), Stop{Signal: syscall.SIGUSR2, Grace: longGrace}); c.Status().Signal != syscall.SIGUSR2 {
		t.Errorf("status %v, want death by SIGUSR2, which came later", c.Status())
	}
}

func TestUSR1ReachesTheFirstProcessWithAHandler(t *testing.T) {
	s := newSupervisor(t, Options{})
	out := newWatched()
	c, err := s.Start(Spec{Args: []string{"/bin/sh", "-c", os.Args[0] + " dumpable & wait"}, Env: os.Environ(), Main: true, Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	out.wait(t, "ready")
	s.handle(syscall.SIGUSR1)
	out.wait(t, "dumped; child lives: true")
	c.Stop(t.Context(), Stop{})
}
