package process

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() { roles["traced"] = traced }

// traced makes the agent its debugger, which is told of the next exec by wait(2).
func traced([]string) int {
	runtime.LockOSThread()
	if _, _, errno := unix.RawSyscall(unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0); errno != 0 {
		fmt.Println("the agent is no debugger:", errno)
		return 97
	}
	ready()
	fmt.Println(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
	return 98
}

func TestAChildThatStopsForItsDebuggerHasNotEnded(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, _ := startReady(t, s, Spec{Main: true}, "traced")
	eventually(t, "the child stops for the agent", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.PID()))
		return err != nil || strings.Contains(string(stat), ") t ")
	})
	if got := c.Stop(t.Context(), Stop{Grace: time.Millisecond}); !got.Killed || c.Status().ExitCode != 137 {
		t.Errorf("outcome %+v, status %v", got, c.Status())
	}
}
