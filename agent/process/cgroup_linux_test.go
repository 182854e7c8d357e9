package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

func TestCgroupFolder(t *testing.T) {
	const hybrid = "9:name=systemd:/\n4:memory:/box/a\n2:cpu,cpuacct:/box\n0::/box\n"
	const mounts = "31 24 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n" +
		"32 31 0:28 /box /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n" +
		"33 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup rw,cpu,cpuacct\n" +
		"34 31 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	cases := []struct{ name, membership, mounts, controller, want string }{
		{"v2 beside v1", hybrid, mounts, "", "/sys/fs/cgroup/unified/box"},
		{"v1, the mount is a part", hybrid, mounts, "memory", "/sys/fs/cgroup/memory/a"},
		{"v1, two controllers", hybrid, mounts, "cpuacct", "/sys/fs/cgroup/cpu,cpuacct/box"},
		{"v1, not there", hybrid, mounts, "pids", ""},
		{"v2 in a namespace", "0::/\n", "30 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "", "/sys/fs/cgroup"},
		{"outside of the mount", "0::/elsewhere\n", "30 23 0:26 /box /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "", ""},
		{"above the namespace", "0::/../other\n", "30 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "", "/sys/fs/cgroup/other"},
		{"nonsense", "0\n::\n", "x - cgroup2\n - \n", "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := cgroupFolder(c.membership, c.mounts, c.controller); got != c.want || ok != (c.want != "") {
				t.Errorf("got %q, %v; want %q", got, ok, c.want)
			}
		})
	}
}

func TestReadMemoryFiles(t *testing.T) {
	write := func(files map[string]string) string {
		dir := t.TempDir()
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	v2, err := readMemoryV2(write(map[string]string{
		"memory.current": "1000\n", "memory.max": "2000\n",
		"memory.stat":   "anon 600\nfile 400\ninactive_file 250\nactive_file 100\n",
		"memory.events": "low 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n",
	}))
	if err != nil || v2.Used != 650 || v2.Limit != 2000 || v2.OOMKills == nil || *v2.OOMKills != 1 {
		t.Errorf("v2: %+v, %v", v2, err)
	}
	v1, err := readMemoryV1(write(map[string]string{
		"memory.usage_in_bytes": "1000\n",
		"memory.stat":           "cache 5\nhierarchical_memory_limit 9223372036854771712\ntotal_inactive_file 100\ntotal_active_file 0\n",
		"memory.oom_control":    "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
	}))
	if err != nil || v1.Used != 900 || v1.Limit != 0 || v1.OOMKills == nil || *v1.OOMKills != 4 {
		t.Errorf("v1: %+v, %v", v1, err)
	}
	bare, err := readMemoryV2(write(map[string]string{"memory.current": "10", "memory.max": "max"}))
	if err != nil || bare.Limit != 0 || bare.OOMKills != nil {
		t.Errorf("without limit and counters: %+v, %v", bare, err)
	}
	if _, err := readMemoryV2(write(nil)); err == nil {
		t.Error("an account without files was read")
	}
}

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
	inside, err := os.ReadFile(filepath.Join(s.group.path, "cgroup.procs"))
	for _, pid := range out.pids() {
		if err != nil || !contains(string(inside), fmt.Sprint(pid)) {
			t.Errorf("%d is not in the group: %q, %v", pid, inside, err)
		}
	}
	c.Stop(t.Context(), Stop{})
	path := s.group.path
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the group is left behind: %v", err)
	}
}

func TestGroupOfAKilledAgentIsSweptAway(t *testing.T) {
	need.Root(t)
	own, err := ownCgroup("")
	if err != nil {
		need.Missing(t, "cgroups that may be written to: %v", err)
	}
	stale := filepath.Join(own, cgroupPrefix+"999999999") // above any pid_max
	if err := os.Mkdir(stale, 0o755); err != nil {
		need.Missing(t, "cgroups that may be written to: %v", err)
	}
	newSupervisor(t, Options{})
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
}

func TestOneWriteKillsTheChildsCgroup(t *testing.T) {
	s, c, _ := startInGroup(t)
	s.group.kill()
	if got := c.Status(); got.ExitCode != 137 {
		t.Errorf("status %v", got)
	}
	eventually(t, "the group is empty", func() bool {
		inside, err := os.ReadFile(filepath.Join(s.group.path, "cgroup.procs"))
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
			if left := s.descendants(nil); len(left) > 0 {
				t.Errorf("still there: %v", left)
			}
		})
	}
}
