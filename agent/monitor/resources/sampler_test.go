package resources

import (
	"os"
	"path/filepath"
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
