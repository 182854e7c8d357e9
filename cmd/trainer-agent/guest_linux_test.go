package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// A machine with cgroup v1 can't show what v2 does, and a container may not make
// groups. Debian's user-mode-linux is a kernel as a process: it boots in two
// seconds with the machine's own files as a read-only root, this test binary as
// its init, and a cgroup v2 tree of its own.

// guestVariable is set in the guest: the folder with the binaries.
const guestVariable = "GUEST_BINARIES"

// guestSuites are the tests that run in the guest, each in a cgroup of its own.
var guestSuites = []struct {
	pkg   string // relative to the repository
	tests []string
}{
	{"agent/process", []string{
		"TestOOMOfTheChildIsSeenInTheAccountAndWarnedAboutBefore", "TestChildIsInACgroupOfItsOwnThatGoesAwayWithIt",
		"TestGroupOfAKilledAgentIsSweptAway", "TestOneWriteKillsTheChildsCgroup", "TestChainOfForksDoesNotOutrunTheKill",
		"TestStopKillsDescendantsThatForkedAway", "TestChildDiesWithAKilledAgent",
	}},
	{"agent/monitor/resources", []string{"TestSampleOfThisMachine"}},
	{"cmd/trainer-agent", []string{
		"TestTrainingThatMemoryKilledIsReported", "TestAgentThatMemoryKilledIsReportedByTheNext", "TestAgentThatMemoryKilledAtOnceIsReportedByTheNext",
		"TestMemoryThatKillsTwoPodsEndsTheJob",
	}},
}

func TestRoomsOnCgroupV2(t *testing.T) {
	t.Parallel()
	for _, s := range guestSuites[:2] {
		for _, name := range s.tests {
			t.Run(s.pkg+"/"+name, func(t *testing.T) { passedInGuest(t, name) })
		}
	}
}

// inGuest reports whether this is the guest. On the machine it has the calling
// test run there, and fails it if that failed.
func inGuest(t *testing.T) bool {
	t.Helper()
	if os.Getenv(guestVariable) != "" {
		return true
	}
	passedInGuest(t, t.Name())
	return false
}

func passedInGuest(t *testing.T, name string) {
	t.Helper()
	need.Program(t, guestKernel, "apt-get install user-mode-linux")
	console, err := bootGuest()
	if err != nil {
		t.Fatalf("%v\n%s", err, console)
	}
	if !strings.Contains(console, "--- PASS: "+name+" (") {
		t.Errorf("it did not pass on cgroup v2\n%s", console)
	}
}

const guestKernel = "linux.uml"

// bootGuest runs all suites in one boot, once, and returns what the guest wrote.
var bootGuest = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "trainer-agent-guest-*")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, s := range guestSuites {
		build := exec.Command("go", slices.Concat([]string{"test", "-c"}, need.BuildFlags(), []string{"-o", guestBinary(dir, s.pkg), "./" + s.pkg})...) // the race detector needs another kernel
		build.Dir, build.Env = shared.root, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return string(out), fmt.Errorf("building %s for the guest: %w", s.pkg, err)
		}
	}
	if err := os.Link(shared.agent, filepath.Join(dir, "trainer-agent")); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience) // the slowest machine's
	defer cancel()
	kernel := exec.CommandContext(ctx, guestKernel, "mem=768M", "rootfstype=hostfs", "rootflags=/", "ro", "quiet", "loglevel=1",
		"con=null", "con0=null,fd:1", "uml_dir="+dir, "init="+guestBinary(dir, "cmd/trainer-agent"), guestVariable+"="+dir, "GUEST_ROOT="+shared.root)
	kernel.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir} // its memory is a file there
	kernel.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	kernel.Cancel = func() error { return syscall.Kill(-kernel.Process.Pid, syscall.SIGKILL) }
	kernel.WaitDelay = 5 * time.Second
	out, err := kernel.CombinedOutput()
	return string(out), err
})

func guestBinary(dir, pkg string) string { return filepath.Join(dir, filepath.Base(pkg)+".test") }

// guestInit is PID 1 of the guest: it makes the machine, runs the suites, and
// turns it off.
func guestInit() {
	if err := makeGuest(); err != nil {
		fmt.Println("the guest could not be made:", err)
	} else {
		for _, s := range guestSuites {
			status, err := runSuite(s.pkg, s.tests)
			fmt.Println("guest:", s.pkg, "ended with", status, err)
		}
	}
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func makeGuest() error {
	for _, m := range []struct{ kind, at string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"cgroup2", "/sys/fs/cgroup"}, {"tmpfs", "/mnt"}, {"tmpfs", "/dev/shm"},
	} {
		if m.at == "/dev/shm" { // the kernel's own /dev has none
			_ = os.Mkdir(m.at, 0o777)
		}
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", m.at, err)
		}
	}
	if err := os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+memory +cpu +pids"), 0); err != nil {
		return err
	}
	return raiseLoopback()
}

func raiseLoopback() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket) //nolint:errcheck // nothing to lose
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo)
}

// runSuite runs one test binary in a cgroup of its own and reaps what it leaves,
// as an init must.
func runSuite(pkg string, tests []string) (syscall.WaitStatus, error) {
	group := filepath.Join("/sys/fs/cgroup", filepath.Base(pkg))
	if err := os.Mkdir(group, 0o755); err != nil {
		return 0, err
	}
	folder, err := os.Open(group)
	if err != nil {
		return 0, err
	}
	defer func() { _ = folder.Close() }()
	binary := guestBinary(os.Getenv(guestVariable), pkg)
	pid, err := syscall.ForkExec(binary, []string{binary, "-test.v", "-test.run", "^(" + strings.Join(tests, "|") + ")$"}, &syscall.ProcAttr{
		Dir: filepath.Join(os.Getenv("GUEST_ROOT"), pkg),
		Env: []string{
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/mnt", "TMPDIR=/mnt", "CI=true",
			guestVariable + "=" + os.Getenv(guestVariable),
		},
		Files: []uintptr{0, 1, 1},
		Sys:   &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(folder.Fd())},
	})
	if err != nil {
		return 0, err
	}
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		if err == nil && ended == pid {
			return status, nil
		}
		if err != nil && err != syscall.EINTR {
			return 0, err
		}
	}
}
