package gpu

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// proc writes a process table: pid → name, parent, open files.
func proc(t *testing.T, root string, pid, parent int, name string, open ...string) {
	t.Helper()
	dir := filepath.Join(root, "proc", fmt.Sprint(pid))
	if err := os.MkdirAll(filepath.Join(dir, "fd"), 0o755); err != nil {
		t.Fatal(err)
	}
	stat := fmt.Sprintf("%d (%s) S %d %d 0", pid, name, parent, pid)
	if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(stat), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, target := range open {
		if err := os.Symlink(target, filepath.Join(dir, "fd", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDeviceUsersAreTheJobsOwnProcesses(t *testing.T) {
	root := t.TempDir()
	proc(t, root, 1, 0, "trainer-agent")
	proc(t, root, 10, 1, "python", "/dev/nvidiactl", "/dev/nvidia3", "/dev/null")
	proc(t, root, 11, 10, "pt) (data worker", "/dev/nvidia3", "/dev/nvidia-uvm")
	proc(t, root, 12, 1, "trainer-gpu", "/dev/nvidia0", "/dev/nvidia3")
	proc(t, root, 99, 50, "another job", "/dev/nvidia7")
	users := deviceUsers(filepath.Join(root, "proc"), 1)
	for _, pids := range users {
		slices.Sort(pids)
	}
	if !maps.EqualFunc(users, map[int][]int{3: {10, 11}}, slices.Equal[[]int]) {
		t.Errorf("%v", users)
	}
	if deviceUsers(filepath.Join(root, "nothing"), 1) != nil {
		t.Error("an unreadable process table has users")
	}
}

// On a machine that several jobs share, only the GPUs that this job uses are its
// errors; before anything is known, every GPU is.
func TestAttributionOverTheLifeOfAJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newScripted()
		mon, r, cancel := begin(t, func() (*scripted, error) { return p, nil })
		defer cancel()
		p.hello(2)
		keep := func(d time.Duration) {
			for range int(d / (10 * time.Second)) {
				time.Sleep(10 * time.Second) // synctest: no time passes
				p.say(contract.ProbeLine{Type: contract.ProbeSample})
			}
			synctest.Wait()
		}
		keep(time.Minute)
		mon.ChildStarted()
		proc(t, mon.opts.Root, os.Getpid(), 0, "trainer-agent")
		proc(t, mon.opts.Root, 424242, os.Getpid(), "python", "/dev/nvidia1")
		keep(20 * time.Second)
		if d := mon.fleet.devices; !d[1].used || len(d[1].users) != 1 || d[0].used || !d[0].ours() {
			t.Errorf("20 s after the start: %+v %+v", d[0], d[1])
		}
		keep(6 * time.Minute)
		if d := mon.fleet.devices; d[0].ours() || !d[1].ours() {
			t.Errorf("6 minutes after the start: %+v %+v", d[0], d[1])
		}
		p.say(contract.ProbeLine{Type: contract.ProbeEvent, UUID: "GPU-a", XID: 79})
		p.say(contract.ProbeLine{Type: contract.ProbeEvent, UUID: "GPU-b", XID: 79})
		synctest.Wait()
		if len(r.events) != 2 || r.events[0].Fatal || !r.events[1].Fatal || !slices.Equal(r.events[1].Processes, []int{424242}) {
			t.Errorf("%+v", r.events)
		}
	})
}
