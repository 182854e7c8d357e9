package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/process/signals"
	"github.com/vision-platform/trainer-agent/agent/process/table"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// agent is a role that runs as PID 1 of its own namespace, or as a child
// subreaper: both must behave the same.
type agent struct {
	cmd  *exec.Cmd
	out  *watched
	host int // its pid as we see it
}

// asEach runs a test in both positions.
func asEach(t *testing.T, test func(t *testing.T, start func(role string, args ...string) *agent)) {
	t.Run("subreaper", func(t *testing.T) {
		test(t, func(role string, args ...string) *agent { return startAgent(t, false, role, args...) })
	})
	t.Run("PID 1", func(t *testing.T) {
		if err := exec.Command("unshare", "--pid", "--fork", "--mount-proc", "true").Run(); err != nil {
			need.Missing(t, "root and unshare: %v", err)
		}
		test(t, func(role string, args ...string) *agent { return startAgent(t, true, role, args...) })
	})
}

func startAgent(t *testing.T, pid1 bool, role string, args ...string) *agent {
	t.Helper()
	line := self(role, args...)
	if pid1 {
		line = append([]string{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child"}, line...)
	}
	a := &agent{cmd: exec.Command(line[0], line[1:]...), out: newWatched()}
	a.cmd.Stdout, a.cmd.Stderr = a.out, a.out
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.cmd.Process.Kill() })
	a.host = a.cmd.Process.Pid
	if pid1 {
		eventually(t, "unshare forks", func() bool {
			a.host = onlyChild(a.cmd.Process.Pid)
			return a.host != 0
		})
	}
	return a
}

func onlyChild(pid int) int {
	lists, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	for _, list := range lists {
		raw, _ := os.ReadFile(list)
		if child, err := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil {
			return child
		}
	}
	return 0
}

func (a *agent) send(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(a.host, sig); err != nil {
		t.Fatal(err)
	}
}

func (a *agent) exitCode() int {
	_ = a.cmd.Wait()
	return a.cmd.ProcessState.ExitCode()
}

func TestExitCodePassesThrough(t *testing.T) {
	asEach(t, func(t *testing.T, start func(string, ...string) *agent) {
		for _, code := range []int{0, 1, 42, 255} {
			if got := start("init", append([]string{"1h"}, self("exit", strconv.Itoa(code))...)...).exitCode(); got != code {
				t.Errorf("exit code %d became %d", code, got)
			}
		}
		a := start("init", "1h", "no-such-trainer")
		if got := a.exitCode(); got != 127 || !contains(a.out.String(), `"no-such-trainer"`) {
			t.Errorf("exit code %d with %q", got, a.out)
		}
	})
}

// The matrix of dumb-init's tests: every signal that can be sent on.
func TestEverySignalReachesTheChildExactlyOnce(t *testing.T) {
	asEach(t, func(t *testing.T, start func(string, ...string) *agent) {
		a := start("init", append([]string{"1h"}, self("listen")...)...)
		a.out.wait(t, "ready")
		sent := passedOn()
		for _, sig := range sent { // a burst: nothing is waited for
			a.send(t, sig)
		}
		for _, sig := range sent {
			a.out.wait(t, fmt.Sprintf("got %d\n", sig))
		}
		for range 3 {
			a.send(t, syscall.SIGPIPE) // for the agent only
			a.send(t, syscall.SIGCHLD)
			a.send(t, syscall.SIGURG)
		}
		a.send(t, syscall.SIGTERM)
		if code := a.exitCode(); code != 3 {
			t.Errorf("exit code %d, want the child's own 3", code)
		}
		assertCounts(t, a.out.String(), append(sent, syscall.SIGTERM))
	})
}

func assertCounts(t *testing.T, out string, sent []syscall.Signal) {
	t.Helper()
	for line := range strings.Lines(out) {
		var sig, n int
		if _, err := fmt.Sscanf(line, "count %d %d", &sig, &n); err != nil {
			continue
		}
		// A stop also continues the group, in case it was stopped.
		extra := sig == int(syscall.SIGCONT) && n == 2
		if !slices.Contains(sent, syscall.Signal(sig)) || n != 1 && !extra {
			t.Errorf("signal %d arrived %d times", sig, n)
		}
	}
}

// passedOn are the caught signals, less those that stop, suspend or concern the
// agent alone.
func passedOn() []syscall.Signal {
	not := []syscall.Signal{
		syscall.SIGTERM, syscall.SIGHUP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGPIPE,
	}
	return slices.DeleteFunc(signals.Catchable(), func(sig syscall.Signal) bool { return slices.Contains(not, sig) })
}

func TestSuspendStopsTheChildAndContinueWakesIt(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU} {
		asEach(t, func(t *testing.T, start func(string, ...string) *agent) {
			a := start("init", append([]string{"1h"}, self("listen")...)...)
			a.out.wait(t, "ready")
			child := onlyChild(a.host)
			a.send(t, sig)
			eventually(t, "the child is stopped", func() bool { return state(child) == 'T' })
			if a.host == a.cmd.Process.Pid { // PID 1 cannot be stopped
				eventually(t, "the agent is stopped", func() bool { return state(a.host) == 'T' })
			}
			a.send(t, syscall.SIGCONT)
			a.out.wait(t, fmt.Sprintf("got %d\n", syscall.SIGCONT))
			a.send(t, syscall.SIGTERM)
			if code := a.exitCode(); code != 3 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func state(pid int) byte {
	p, err := table.Of(pid)
	if err != nil {
		return 0
	}
	return p.State
}

func TestTermStopsWhatIgnoresIt(t *testing.T) {
	asEach(t, func(t *testing.T, start func(string, ...string) *agent) {
		a := start("init", append([]string{"1ms"}, self("escape")...)...)
		a.out.waitN(t, "ready", 2)
		all := tree(a.host)
		a.send(t, syscall.SIGTERM)
		if code := a.exitCode(); code != 143 && code != 137 {
			t.Errorf("exit code %d", code)
		}
		for _, p := range all {
			if p.Same() {
				t.Errorf("%v survived", p)
			}
		}
	})
}

func tree(root int) []table.Process {
	all, _ := table.Read()
	return table.Descent(all, root, nil)
}

func TestTenThousandOrphansLeaveNoZombieAndNoWrongStatus(t *testing.T) {
	asEach(t, func(t *testing.T, start func(string, ...string) *agent) {
		a := start("supervise", "10000")
		if code := a.exitCode(); code != 0 {
			t.Errorf("exit code %d: %s", code, a.out)
		}
		if got := a.out.String(); got != "orphans 10000 zombies 0 wrong 0 enough true\n" {
			t.Error(got)
		}
	})
}

// An agent without root and its child are one user, and still strangers.
func TestChildCannotReadTheAgentsEnvironmentOrMemory(t *testing.T) {
	need.Root(t)
	dir := openToOthers(t)
	exe := runnableByOthers(t, dir)
	cmd := exec.Command(exe, "init", "1h", exe, "peek")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := string(out); got != "environ false mem false maps false; own true\n" {
		t.Error(got)
	}
}

func TestChildDiesWithAKilledAgent(t *testing.T) {
	a := startAgent(t, false, "init", append([]string{"1h"}, self("ignoreTERM")...)...)
	a.out.wait(t, "ready")
	child, err := table.Of(onlyChild(a.host))
	if err != nil {
		t.Fatal(err)
	}
	a.send(t, syscall.SIGKILL)
	eventually(t, "the child is gone", func() bool { return !child.Same() })
	_ = a.exitCode()
}
