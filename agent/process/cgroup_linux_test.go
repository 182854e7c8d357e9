package process

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/agent/process/cgroup"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

func TestOOMOfTheChildIsSeenInTheAccountAndWarnedAboutBefore(t *testing.T) {
	need.Root(t)
	group := need.MemoryGroup(t, 128<<20)
	line := self("account", group)
	out, err := exec.Command(line[0], line[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := string(out); got != "limit 134217728 <nil>\nwarned 90\nwarned 95\nstatus killed by SIGKILL killed 1 true\n" {
		t.Errorf("got %s", got)
	}
}

// startInGroup starts a child and one that forked away from it, in a cgroup.
func startInGroup(t *testing.T) (*Supervisor, *Child, *watched) {
	t.Helper()
	need.Root(t)
	s := newSupervisor(t, Options{})
	if s.group == nil {
		need.Missing(t, "a cgroup of the child's own")
	}
	c, out := startReady(t, s, Spec{Main: true}, "escape")
	out.waitN(t, "ready", 2)
	return s, c, out
}

func TestChildIsInACgroupOfItsOwnThatGoesAwayWithIt(t *testing.T) {
	s, c, out := startInGroup(t)
	inside, err := os.ReadFile(filepath.Join(s.group.Path, "cgroup.procs"))
	for _, pid := range out.pids() {
		if err != nil || !contains(string(inside), fmt.Sprint(pid)) {
			t.Errorf("%d is not in the group: %q, %v", pid, inside, err)
		}
	}
	c.Stop(t.Context(), Stop{})
	path := s.group.Path
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the group is left behind: %v", err)
	}
}

func TestGroupOfAKilledAgentIsSweptAway(t *testing.T) {
	need.Root(t)
	own, ok := host.FindGroups("/").Own()
	if !ok {
		need.Missing(t, "a cgroup v2 of our own")
	}
	stale := filepath.Join(own, cgroup.Prefix()+"999999999") // above any pid_max
	if err := os.Mkdir(stale, 0o755); err != nil {
		need.Missing(t, "cgroups that may be written to: %v", err)
	}
	newSupervisor(t, Options{})
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
}

func init() { roles["group"] = nameGroup }

// nameGroup says which group an agent makes, and lives until its input ends.
func nameGroup([]string) int {
	s, err := NewSupervisor(Options{})
	if err != nil || s.group == nil {
		return 1
	}
	fmt.Println(s.group.Path)
	_, _ = io.Copy(io.Discard, os.Stdin)
	s.group.Remove()
	return 0
}

// Both are the first process of a namespace, and one that ends kills its group. They live
// at the same time: the number of a namespace that is gone is given to the next one.
func TestAgentsOfTwoNamespacesDoNotShareAGroup(t *testing.T) {
	need.Root(t)
	var paths []string
	for range 2 {
		paths = append(paths, groupOfAnAgent(t))
	}
	if paths[0] == paths[1] {
		t.Errorf("both use %s", paths[0])
	}
}

// groupOfAnAgent starts one in a namespace of its own, which lives as long as the test.
func groupOfAnAgent(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("unshare", append([]string{"--pid", "--fork", "--mount-proc"}, self("group")...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		need.Missing(t, "unshare: %v", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	path, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		need.Missing(t, "namespaces, and a cgroup of the child's own: %v", err)
	}
	return path
}

func TestOneWriteKillsTheChildsCgroup(t *testing.T) {
	s, c, _ := startInGroup(t)
	s.group.Kill()
	if got := c.Status(); got.ExitCode != 137 {
		t.Errorf("status %v", got)
	}
	eventually(t, "the group is empty", func() bool {
		inside, err := os.ReadFile(filepath.Join(s.group.Path, "cgroup.procs"))
		return err == nil && len(inside) == 0
	})
}

// Each generation forks the next and ends, as fast as a shell can.
func TestChainOfForksDoesNotOutrunTheKill(t *testing.T) {
	for name, opts := range map[string]Options{"own cgroup": {}, "process table": {NoCgroup: true}} {
		t.Run(name, func(t *testing.T) {
			s := newSupervisor(t, opts)
			out := newWatched()
			// The recursion ends by itself, should the kill fail.
			script := `f() { [ "$1" -lt 20000 ] && (f $(($1 + 1)) &); }; f 0; echo ready; read never`
			c, err := s.Start(Spec{Args: []string{"/bin/sh", "-c", script}, Main: true, Stdout: out, StdinPipe: true})
			if err != nil {
				t.Fatal(err)
			}
			out.wait(t, "ready")
			if got := c.Stop(t.Context(), Stop{}); got.Err() != nil {
				t.Error(got.Err())
			}
			if left := descendants(s, nil); len(left) > 0 {
				t.Errorf("still there: %v", left)
			}
		})
	}
}
