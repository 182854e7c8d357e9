package resources

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tree writes a machine's files below a folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const meminfoText = "MemTotal:       32000000 kB\nMemFree:  100 kB\nMemAvailable:   30000000 kB\n"

// v2 is a pod as containerd runs it: a cgroup namespace, limits at the mount.
func v2(t *testing.T) string {
	return tree(t, map[string]string{
		"proc/self/cgroup":              "0::/\n",
		"proc/self/mountinfo":           "25 20 0:22 / /sys/fs/cgroup ro,nosuid shared:9 - cgroup2 cgroup rw\n",
		"proc/meminfo":                  meminfoText,
		"sys/fs/cgroup/memory.max":      "1073741824\n",
		"sys/fs/cgroup/memory.current":  "900000000\n",
		"sys/fs/cgroup/memory.stat":     "anon 1\ninactive_file 100000000\n",
		"sys/fs/cgroup/memory.events":   "low 0\nmax 12\noom 1\noom_kill 3\n",
		"sys/fs/cgroup/cpu.stat":        "usage_usec 5000000\nuser_usec 1\n",
		"sys/fs/cgroup/cpu.max":         "50000 100000\n",
		"sys/fs/cgroup/memory.pressure": "some avg10=1.25 avg60=0.00 avg300=0.00 total=5\nfull avg10=9.00 avg60=0 avg300=0 total=1\n",
	})
}

func TestCgroupV2(t *testing.T) {
	root := v2(t)
	s, err := New(Options{Root: root, Workspace: root})
	if err != nil {
		t.Fatal(err)
	}
	write(t, root, "sys/fs/cgroup/memory.events", "oom_kill 5\n")
	m := s.Sample().Memory
	if m.UsedBytes != 800000000 || m.LimitBytes != 1<<30 || *m.OOMKills != 2 || float64(*m.PressureAvg) != 1.25 {
		t.Errorf("memory: %+v, kills %d, pressure %v", m, *m.OOMKills, *m.PressureAvg)
	}
	if ev := s.Evidence(); *ev.OOMKills != 2 || ev.MemoryPeak != 800000000 {
		t.Errorf("evidence: %+v", ev)
	}
}

// The kernel tells the path as the host sees it; the container's mount shows
// only the part below its own root.
func TestCgroupPathOfTheHostIsCutAtTheMountsRoot(t *testing.T) {
	root := tree(t, map[string]string{
		"proc/self/cgroup":                               "4:memory:/kubepods/pod7/abc/job\n2:cpu,cpuacct:/kubepods/pod7/abc\n0::/kubepods\n",
		"proc/self/mountinfo":                            "31 25 0:28 /kubepods/pod7/abc /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory\n32 25 0:29 /kubepods/pod7/abc /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
		"proc/meminfo":                                   meminfoText,
		"sys/fs/cgroup/memory/job/memory.stat":           "inactive_file 1\nhierarchical_memory_limit 536870912\ntotal_inactive_file 1000\n",
		"sys/fs/cgroup/memory/job/memory.usage_in_bytes": "5000\n",
		"sys/fs/cgroup/memory/job/memory.oom_control":    "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
		"sys/fs/cgroup/cpu,cpuacct/cpuacct.usage":        "1000000000\n",
		"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":     "150000\n",
		"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us":    "100000\n",
	})
	g := findGroups(root)
	m := g.memory(root)
	if m.used != 4000 || m.limit != 512<<20 || m.kills != 4 || !m.known {
		t.Errorf("memory: %+v", m)
	}
	if used, ok := g.cpuTime(); used != time.Second || !ok {
		t.Errorf("processor time %v, %v", used, ok)
	}
	if limit := g.cpuLimit(); limit != 1.5 && limit != 1 {
		t.Errorf("limit of %v cores", limit)
	}
}

func TestAnAncestorsLimitHolds(t *testing.T) {
	root := tree(t, map[string]string{
		"proc/self/cgroup":                       "0::/pod/agent\n",
		"proc/self/mountinfo":                    "25 20 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
		"proc/meminfo":                           meminfoText,
		"sys/fs/cgroup/pod/memory.max":           "1000000\n",
		"sys/fs/cgroup/pod/agent/memory.max":     "max\n",
		"sys/fs/cgroup/pod/agent/memory.current": "500\n",
	})
	m := findGroups(root).memory(root)
	if m.limit != 1000000 || m.used != 500 || m.known {
		t.Errorf("memory: %+v", m)
	}
}

func TestWhatCannotBeReadIsAbsent(t *testing.T) {
	root := t.TempDir()
	s, err := New(Options{Root: root, Workspace: root})
	if err != nil {
		t.Fatal(err)
	}
	got := s.Sample()
	if got.CPU != nil || got.Memory != nil || got.Shm != nil || got.Disk == nil {
		t.Errorf("%+v", got)
	}
	if ev := s.Evidence(); ev.OOMKills != nil || ev.MemoryPeak != 0 || ev.Shm.Known() {
		t.Errorf("evidence: %+v", ev)
	}
}

func TestSampleOfThisMachine(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "something", "so that the disk is used")
	s, err := New(Options{Workspace: dir})
	if err != nil {
		t.Fatal(err)
	}
	got := s.Sample()
	if got.Disk == nil || got.Disk.TotalBytes <= 0 || got.Disk.UsedBytes <= 0 {
		t.Errorf("disk was not read: %+v", got.Disk)
	}
	if _, err := os.Stat("/proc/meminfo"); err == nil && (got.Memory == nil || got.Memory.LimitBytes <= 0 || got.Memory.UsedBytes <= 0) {
		t.Errorf("memory was not read: %+v", got.Memory)
	}
}

const stalls = "some avg10=%s avg60=0.00 avg300=0.00 total=5\nfull avg10=99.00 avg60=0.00 avg300=0.00 total=1\n"

func TestPressureIsTheGroupsOwnElseTheMachines(t *testing.T) {
	group, machine := "sys/fs/cgroup/memory.pressure", "proc/pressure/memory"
	for name, c := range map[string]struct {
		files map[string]string
		want  string // of memory; empty is none
	}{
		"both":                      {map[string]string{group: fmt.Sprintf(stalls, "1.25"), machine: fmt.Sprintf(stalls, "7.50")}, "1.25"},
		"only the machine's":        {map[string]string{machine: fmt.Sprintf(stalls, "7.50")}, "7.5"},
		"only the other resource's": {map[string]string{"proc/pressure/cpu": fmt.Sprintf(stalls, "7.50")}, ""},
		"none":                      {nil, ""},
		"of no known form":          {map[string]string{group: "some\n", machine: "some avg10=much avg60=0.00\n"}, ""},
	} {
		files := map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": "25 20 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
			"proc/meminfo": meminfoText, "sys/fs/cgroup/memory.current": "500\n",
		}
		maps.Copy(files, c.files)
		root := tree(t, files)
		s, err := New(Options{Root: root, Workspace: root})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if p := s.Sample().Memory.PressureAvg; p != nil {
			got = fmt.Sprint(float64(*p))
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What the real kernel tells of stalls is told; of one that is built or booted
// without that account (CONFIG_PSI, psi=0) nothing is.
func TestPressureOfThisMachine(t *testing.T) {
	g := findGroups("/")
	for _, resource := range []string{"memory", "cpu"} {
		files := []string{"/proc/pressure/" + resource}
		if len(g.unified) > 0 {
			files = append(files, filepath.Join(g.unified[0], resource+".pressure"))
		}
		told := slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && strings.HasPrefix(string(text), "some avg10=")
		})
		if v, ok := g.pressure("/", resource); ok != told || v < 0 || v > 100 {
			t.Errorf("%s: %v, %v; the kernel tells of stalls: %v", resource, v, ok, told)
		}
	}
}

func TestProcessorUseIsTheMeanSinceTheLastHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := v2(t)
		s, err := New(Options{Root: root, Workspace: root})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second) // synctest: no time passes
		write(t, root, "sys/fs/cgroup/cpu.stat", "usage_usec 20000000\n")
		c := s.Sample().CPU
		if float64(c.UtilPercent) != 150 || float64(c.Limit) != 0.5 || c.PressureAvg != nil {
			t.Errorf("%+v", c)
		}
	})
}

func write(t *testing.T, root, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func FuzzCgroupFiles(f *testing.F) {
	f.Add("4:memory:/a/b\n0::/x\n", "31 25 0:28 /a /sys rw - cgroup cgroup rw,memory\n")
	f.Add("0::/../x\n", "25 20 0:22 / /sys\\040x rw - cgroup2 c rw\n")
	f.Add(":::\n", " - \n")
	f.Fuzz(func(t *testing.T, membership, mounts string) {
		root := tree(t, map[string]string{"proc/self/cgroup": membership, "proc/self/mountinfo": mounts})
		g := findGroups(root)
		for _, chain := range append([][]string{g.unified}, g.v1["memory"], g.v1["cpu"]) {
			for _, dir := range chain {
				if !strings.HasPrefix(dir, root) {
					t.Errorf("%q is outside the root", dir)
				}
			}
		}
		g.memory(root)
		g.cpuTime()
	})
}
