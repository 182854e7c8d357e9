package host_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
)

// tree writes a machine's files below a folder; a name that ends with a slash is a
// folder.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			path = filepath.Join(path, ".here")
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const (
	meminfoText = "MemTotal:       32000000 kB\nMemFree:  100 kB\nMemAvailable:   30000000 kB\n"
	stalls      = "some avg10=%s avg60=0.00 avg300=0.00 total=5\nfull avg10=99.00 avg60=0.00 avg300=0.00 total=1\n"
	v2Mount     = "25 20 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
)

func TestTheOwnGroupIsOnlyOneThatTheKernelNamesAndIsThere(t *testing.T) {
	const hybrid = "9:name=systemd:/\n4:memory:/box/a\n2:cpu,cpuacct:/box\n0::/box\n"
	const mounts = "31 24 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n" +
		"32 31 0:28 /box /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n" +
		"34 31 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	for name, c := range map[string]struct{ membership, mounts, there, want string }{
		"beside v1":             {hybrid, mounts, "sys/fs/cgroup/unified/box/", "/sys/fs/cgroup/unified/box"},
		"in a namespace":        {"0::/\n", v2Mount, "sys/fs/cgroup/", "/sys/fs/cgroup"},
		"outside of the mount":  {"0::/elsewhere\n", "30 23 0:26 /box /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "sys/fs/cgroup/", ""},
		"a name that begins as": {"0::/boxes\n", "30 23 0:26 /box /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "sys/fs/cgroup/es/", ""},
		"above the namespace":   {"0::/../other\n", v2Mount, "sys/fs/cgroup/other/", ""},
		"not there":             {"0::/gone\n", v2Mount, "sys/fs/cgroup/", ""},
		"only v1":               {"4:memory:/a\n", mounts, "sys/fs/cgroup/memory/a/", ""},
		"nonsense":              {"0\n::\n", "x - cgroup2\n - \n", "sys/", ""},
	} {
		root := tree(t, map[string]string{"proc/self/cgroup": c.membership, "proc/self/mountinfo": c.mounts, c.there: ""})
		got, ok := host.FindGroups(root).Own()
		if got = strings.TrimPrefix(got, root); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, ok, c.want)
		}
	}
}

func group(t *testing.T, membership, mount string, files map[string]string) host.Groups {
	t.Helper()
	all := map[string]string{"proc/self/cgroup": membership, "proc/self/mountinfo": mount}
	for name, content := range files {
		all["sys/fs/cgroup/"+name] = content
	}
	return host.FindGroups(tree(t, all))
}

func TestMemoryInUseIsWhatTheKernelCannotTakeBack(t *testing.T) {
	v2, err := group(t, "0::/\n", v2Mount, map[string]string{
		"memory.current": "1000\n", "memory.max": "2000\n", "memory.peak": "1900\n",
		"memory.stat":   "anon 600\nfile 400\ninactive_file 250\nactive_file 100\n",
		"memory.events": "low 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n",
	}).Memory()
	if err != nil || v2.Used != 650 || v2.Limit != 2000 || v2.OOMKills == nil || *v2.OOMKills != 1 || v2.Percent() != 32 || v2.Peak != 1900 || v2.Group == 0 {
		t.Errorf("v2: %+v, %v", v2, err)
	}
	const v1Mount = "32 31 0:28 / /sys/fs/cgroup rw - cgroup cgroup rw,memory\n"
	v1, err := group(t, "4:memory:/\n", v1Mount, map[string]string{
		"memory.usage_in_bytes": "1000\n", "memory.limit_in_bytes": "9223372036854771712\n", "memory.max_usage_in_bytes": "1800\n",
		"memory.stat":        "cache 5\nhierarchical_memory_limit 9223372036854771712\ntotal_inactive_file 100\ntotal_active_file 0\n",
		"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
	}).Memory()
	if err != nil || v1.Used != 900 || v1.Limit != 0 || v1.OOMKills == nil || *v1.OOMKills != 4 || v1.Percent() != 0 || v1.Peak != 1800 {
		t.Errorf("v1: %+v, %v", v1, err)
	}
	bare, err := group(t, "0::/\n", v2Mount, map[string]string{"memory.current": "10", "memory.max": "max"}).Memory()
	if err != nil || bare.Limit != 0 || bare.OOMKills != nil {
		t.Errorf("without limit and counters: %+v, %v", bare, err)
	}
	if _, err := group(t, "0::/\n", v2Mount, map[string]string{"cgroup.procs": ""}).Memory(); err == nil {
		t.Error("an account without files was read")
	}
}

// A pod's limit holds for all its containers together.
func TestUseCountsAgainstTheTightestLimitOfAllAncestors(t *testing.T) {
	m, err := group(t, "0::/pod/agent/job\n", v2Mount, map[string]string{
		"memory.max":                   "9000\n",
		"pod/memory.max":               "1000\n",
		"pod/memory.current":           "950\n",
		"pod/memory.stat":              "inactive_file 50\n",
		"pod/agent/memory.max":         "5000\n",
		"pod/agent/job/memory.max":     "max\n",
		"pod/agent/job/memory.current": "300\n",
		"pod/agent/job/memory.events":  "oom_kill 2\n",
	}).Memory()
	if err != nil || m.Limit != 1000 || m.Used != 900 || *m.OOMKills != 2 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestKilledSinceIsNotKnownWithoutACounterOfTheSameGroup(t *testing.T) {
	three, five := int64(3), int64(5)
	if n, known := (host.Memory{OOMKills: &five}).KilledSince(host.Memory{OOMKills: &three}); n != 2 || !known {
		t.Error(n, known)
	}
	for name, before := range map[string]host.Memory{"no counter": {}, "another group": {OOMKills: &three, Group: 7}} {
		if _, known := (host.Memory{OOMKills: &five}).KilledSince(before); known {
			t.Errorf("%s: known", name)
		}
	}
}

func TestTheMachinesMemory(t *testing.T) {
	used, total, ok := host.Machine(tree(t, map[string]string{"proc/meminfo": meminfoText}))
	if !ok || total != 32000000<<10 || used != 2000000<<10 {
		t.Error(used, total, ok)
	}
	if _, _, ok := host.Machine(t.TempDir()); ok {
		t.Error("a machine without a /proc")
	}
}

func TestLimitsOfAProcess(t *testing.T) {
	root := tree(t, map[string]string{"proc/42/limits": "Limit                     Soft Limit           Hard Limit           Units     \n" +
		"Max locked memory         unlimited            unlimited            bytes     \n" +
		"Max open files            1024                 1048576              files     \n" +
		"Max processes             4096                 4096                 processes \n"})
	if l := host.LimitsOf(root, 42); l.OpenFiles != 1024 || l.Processes != 4096 || l.LockedMemory < 1<<60 {
		t.Errorf("%+v", l)
	}
	if l := host.LimitsOf(root, 7); l != (host.Limits{}) {
		t.Errorf("of none: %+v", l)
	}
	if l := host.LimitsOf("/", os.Getpid()); l.OpenFiles == 0 {
		t.Errorf("of this process: %+v", l)
	}
}

func TestAFileSystemSaysWhatIsLeft(t *testing.T) {
	v, err := host.Statfs(t.TempDir())
	if err != nil || v.Total <= 0 || v.Free <= 0 || v.Free > v.Total || v.Used() < 0 {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := host.Statfs(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("the file system of nothing")
	}
}

func TestTheBootHasAName(t *testing.T) {
	if a, b := host.BootID(), host.BootID(); a == "" || a != b {
		t.Errorf("%q, %q", a, b)
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
	g := host.FindGroups(root)
	m, err := g.Memory()
	if err != nil || m.Used != 4000 || m.Limit != 512<<20 || m.OOMKills == nil || *m.OOMKills != 4 {
		t.Errorf("memory: %+v, %v", m, err)
	}
	if used, ok := g.CPUTime(); used != time.Second || !ok {
		t.Errorf("processor time %v, %v", used, ok)
	}
	if limit := g.CPULimit(); limit != 1.5 && limit != 1 {
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
	m, err := host.FindGroups(root).Memory()
	if err != nil || m.Limit != 1000000 || m.Used != 500 || m.OOMKills != nil {
		t.Errorf("memory: %+v, %v", m, err)
	}
}

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
		got := ""
		if v, ok := host.FindGroups(tree(t, files)).Pressure("memory"); ok {
			got = fmt.Sprint(v)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What the real kernel tells of stalls is told; of one that is built or booted
// without that account (CONFIG_PSI, psi=0) nothing is.
func TestPressureOfThisMachine(t *testing.T) {
	g := host.FindGroups("/")
	for _, resource := range []string{"memory", "cpu"} {
		files := []string{"/proc/pressure/" + resource}
		if dir, ok := g.Own(); ok {
			files = append(files, filepath.Join(dir, resource+".pressure"))
		}
		told := slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && strings.HasPrefix(string(text), "some avg10=")
		})
		if v, ok := g.Pressure(resource); ok != told || v < 0 || v > 100 {
			t.Errorf("%s: %v, %v; the kernel tells of stalls: %v", resource, v, ok, told)
		}
	}
}

func FuzzCgroupFiles(f *testing.F) {
	f.Add("4:memory:/a/b\n0::/x\n", "31 25 0:28 /a /sys rw - cgroup cgroup rw,memory\n")
	f.Add("0::/../x\n", "25 20 0:22 / /sys\\040x rw - cgroup2 c rw\n")
	f.Add(":::\n", " - \n")
	f.Fuzz(func(t *testing.T, membership, mounts string) {
		root := tree(t, map[string]string{"proc/self/cgroup": membership, "proc/self/mountinfo": mounts})
		g := host.FindGroups(root)
		if dir, ok := g.Own(); ok && !strings.HasPrefix(dir, root) {
			t.Errorf("%q is outside the root", dir)
		}
		_, _ = g.Memory()
		g.CPUTime()
	})
}
