package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/process/identity"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

func TestRunAsDropsEverythingAndOnlyInTheChild(t *testing.T) {
	need.Root(t)
	dir := openToOthers(t)
	secret := filepath.Join(dir, ".agent", "token")
	mine := filepath.Join(dir, "runs", "model.pt")
	for _, path := range []string{secret, mine} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	id := Identity{UID: 12345, GID: 12346}
	if err := identity.Own(filepath.Join(dir, "runs"), id); err != nil {
		t.Fatal(err)
	}
	s := newSupervisor(t, Options{})
	out := newWatched()
	exe := runnableByOthers(t, dir)
	c, err := s.Start(Spec{
		Args: []string{exe, "whoami", secret, mine}, Env: os.Environ(), Dir: "/",
		Stdout: out, Stderr: out, RunAs: &id, Nice: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Status()
	for _, line := range []string{
		"uid 12345 gid 12346 groups []", "NoNewPrivs: 1", "CapEff: 0000000000000000", fmt.Sprint("nice ", min(19, niceness(t)+3)),
		"open " + secret + " false", "open " + mine + " true",
	} {
		if !contains(out.String(), line+"\n") {
			t.Errorf("%q is not in\n%s", line, out)
		}
	}
	assertAgentKeepsItsPrivileges(t)
}

// niceness is the tests' own; the raw call returns 20 less it.
func niceness(t *testing.T) int {
	t.Helper()
	now, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return 20 - now
}

func TestRunAsCanOpenItsOutputByName(t *testing.T) {
	need.Root(t)
	for name, tty := range map[string]bool{"pipe": false, "terminal": true} {
		t.Run(name, func(t *testing.T) {
			s := newSupervisor(t, Options{})
			out := newWatched()
			c, err := s.Start(Spec{
				Args: []string{"/bin/sh", "-c", "echo opened > /dev/stdout; echo too > /dev/stderr"},
				Main: true, Stdout: out, Stderr: out, PTY: tty, RunAs: &Identity{UID: 12345, GID: 12345},
			})
			if err != nil {
				t.Fatal(err)
			}
			if st := c.Status(); !st.Success() || out.String() != "opened\ntoo\n" {
				t.Errorf("%v: %q", st, out)
			}
		})
	}
}

func TestRunAsWithoutThePrivilegeSaysSo(t *testing.T) {
	need.Root(t)
	dir := openToOthers(t)
	cmd := exec.Command(runnableByOthers(t, dir), "drop", "12346:12346")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	out, err := cmd.Output()
	if got := string(out); err != nil || !contains(got, "126 ") || !contains(got, "AGENT_RUN_AS") {
		t.Errorf("%q, %v", got, err)
	}
}

// assertAgentKeepsItsPrivileges looks at every thread: no_new_privs is a thread's,
// and the one that carried it into the child is about to end.
func assertAgentKeepsItsPrivileges(t *testing.T) {
	t.Helper()
	eventually(t, "no thread of the agent has no_new_privs", func() bool {
		threads, _ := filepath.Glob("/proc/self/task/*/status")
		for _, thread := range threads {
			if status, err := os.ReadFile(thread); err == nil && !strings.Contains(string(status), "NoNewPrivs:\t0") {
				return false
			}
		}
		return len(threads) > 0
	})
}

// openToOthers is a temporary folder that another user can reach.
func openToOthers(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "process-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// runnableByOthers copies the test binary, which lies in a folder of root's.
func runnableByOthers(t *testing.T, dir string) string {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "self")
	if err := os.WriteFile(path, self, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNoNewPrivsWithoutChangingTheUser(t *testing.T) {
	s := newSupervisor(t, Options{})
	out := newWatched()
	startRole(t, s, Spec{Stdout: out, NoNewPrivs: true}, "whoami").Status()
	if !contains(out.String(), "NoNewPrivs: 1\n") {
		t.Errorf("got %s", out)
	}
	assertAgentKeepsItsPrivileges(t)
}
