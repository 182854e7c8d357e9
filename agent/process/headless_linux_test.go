package process

import (
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	roles["headless"] = headless
	if len(os.Args) > 2 && os.Args[1] == "headless" {
		runtime.LockOSThread() // the main goroutine stays on the first thread
	}
}

// headless leaves a process in a session of its own whose first thread has ended.
func headless(args []string) int {
	if len(args) > 0 {
		signal.Ignore(syscall.SIGTERM)
		ready()
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0)
	}
	inner := exec.Command(os.Args[0], "headless", "inner")
	inner.Stdout, inner.SysProcAttr = os.Stdout, &syscall.SysProcAttr{Setsid: true}
	if inner.Start() != nil {
		return 1
	}
	ready()
	return forever()
}

func TestAProcessWithoutItsFirstThreadIsKilledToo(t *testing.T) {
	s := newSupervisor(t, Options{NoCgroup: true})
	c, out := startReady(t, s, Spec{Main: true}, "headless")
	out.waitN(t, "ready", 2)
	for _, pid := range out.pids() {
		if pid != c.PID() {
			eventually(t, "its first thread ends", func() bool {
				thread, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
				return err != nil || contains(string(thread), ") Z ")
			})
		}
	}
	if got := c.Stop(t.Context(), Stop{Grace: time.Millisecond}); got.Err() != nil {
		t.Error(got.Err())
	}
	for _, pid := range out.pids() {
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("process %d survived", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
