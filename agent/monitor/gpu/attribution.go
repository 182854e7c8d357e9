package gpu

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Scanning /proc takes 30 to 120 ms, so it is done seldom: 10 s after the start of
// the probe and of the training, every 5 minutes and at an event.
const (
	attributeFirst = 10 * time.Second
	attributeEvery = 5 * time.Minute
	settled        = time.Minute // after the start, a training that uses a GPU has opened it
)

// attribute notes which GPUs the processes of this job hold open. It is right in
// any PID namespace, unlike NVML's own list, which tells host PIDs. On a machine
// that several jobs share, the fault of another job's GPU is then no error here.
func (m *Monitor) attribute() {
	users := deviceUsers(filepath.Join(m.opts.Root, "proc"), os.Getpid())
	if users == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fleet.usedBy(users)
}

// usedBy notes who holds which minor open; before the training runs it means nothing.
func (f *fleet) usedBy(users map[int][]int) {
	if f.child.started.IsZero() {
		return
	}
	for _, d := range f.devices {
		if d.info.Minor == nil {
			continue
		}
		d.users = users[*d.info.Minor]
		d.used = d.used || len(d.users) > 0
		d.unused = d.unused || time.Since(f.child.started) > settled
	}
}

// ours: in doubt it is. A process that died of the fault holds nothing any more,
// so having used the GPU once is enough.
func (d *device) ours() bool { return d.used || !d.unused }

// attributed adds the processes to a fault, and makes a warning of the fault of
// a GPU that this job does not use.
func (f *fleet) attributed(faults []contract.GPUFault) []contract.GPUFault {
	for i := range faults {
		d := f.device(faults[i].UUID)
		if d == nil {
			continue
		}
		faults[i].Processes = d.users
		if faults[i].Fatal && !d.ours() {
			faults[i].Fatal = false
			faults[i].Message += " (this job does not use it)"
		}
	}
	return faults
}

// deviceUsers maps the minor of /dev/nvidia{minor} to the processes below parent
// that hold it open, the probe left out. nil means that /proc can't be read.
func deviceUsers(proc string, parent int) map[int][]int {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil
	}
	parents, names := map[int]int{}, map[int]string{}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			names[pid], parents[pid] = processStat(proc, pid)
		}
	}
	users := map[int][]int{}
	for pid, name := range names {
		if name == "trainer-gpu" || !descends(parents, pid, parent) {
			continue
		}
		for minor := range openDevices(proc, pid) {
			users[minor] = append(users[minor], pid)
		}
	}
	return users
}

// processStat reads "pid (name) state ppid …"; the name may hold spaces and
// parentheses.
func processStat(proc string, pid int) (name string, parent int) {
	b, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", 0
	}
	text := string(b)
	from, to := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if from < 0 || to < from {
		return "", 0
	}
	fields := strings.Fields(text[to+1:])
	if len(fields) < 2 {
		return "", 0
	}
	parent, err = strconv.Atoi(fields[1])
	if err != nil {
		return "", 0
	}
	return text[from+1 : to], parent
}

// descends walks up the parents, at most as many steps as there are processes.
func descends(parents map[int]int, pid, ancestor int) bool {
	for range len(parents) {
		if pid == ancestor {
			return true
		}
		parent, ok := parents[pid]
		if !ok || parent == 0 {
			return false
		}
		pid = parent
	}
	return false
}

func openDevices(proc string, pid int) map[int]bool {
	dir := filepath.Join(proc, strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	minors := map[int]bool{}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		if minor, err := strconv.Atoi(strings.TrimPrefix(target, "/dev/nvidia")); err == nil && strings.HasPrefix(target, "/dev/nvidia") {
			minors[minor] = true
		}
	}
	return minors
}
