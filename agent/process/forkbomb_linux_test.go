package process

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

func init() { roles["besieged"] = besieged }

// bomb forks until the kernel refuses, says so, and ends with 7 when its input ends.
const bomb = `( while sleep 100 & do :; done ) 2>/dev/null; echo full; read line; exit 7`

// Go's runtime ends the process when the kernel refuses it a thread, so PID 1 would
// go down with a child that eats the limit.
func TestTheAgentOutlivesTheForkBombOfItsChild(t *testing.T) {
	need.Root(t)
	dir := openToOthers(t)
	exe := runnableByOthers(t, dir)
	for name, command := range map[string]func(round int) *exec.Cmd{
		"ulimit -u": func(round int) *exec.Cmd {
			cmd := exec.Command(exe, "besieged", "64", "/bin/sh", "-c", bomb)
			id := uint32(200_000 + os.Getpid()%10_000 + round*10_000) // nobody else's processes count
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
			return cmd
		},
		"pids.max": func(int) *exec.Cmd {
			group := need.PidsGroup(t, 64)
			return exec.Command("/bin/sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, group, exe, "besieged", "0", "/bin/sh", "-c", bomb)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for round := range 5 {
				cmd := command(round)
				cmd.Dir = dir
				out, _ := cmd.CombinedOutput()
				if code := cmd.ProcessState.ExitCode(); code != 7 {
					t.Fatalf("round %d: exit code %d, want the child's 7\n%s", round, code, tailOf(out))
				}
			}
		})
	}
}

func tailOf(out []byte) string { return string(out[:min(len(out), 1000)]) }

// besieged is an agent whose child eats all processes and threads that a limit
// allows, and that has work to do meanwhile: twelve system calls that block, as
// uploads and the log do on a slow disk.
func besieged(args []string) int {
	if most, _ := strconv.Atoi(args[0]); most > 0 {
		limit := unix.Rlimit{Cur: uint64(most), Max: uint64(most)}
		if err := unix.Setrlimit(unix.RLIMIT_NPROC, &limit); err != nil {
			return 97
		}
	}
	s, err := NewSupervisor(Options{})
	if err != nil {
		return 96
	}
	full := make(chan struct{})
	c, err := s.Start(Spec{Args: args[1:], Main: true, Stdout: onWrite(func() { close(full) }), StdinPipe: true, Env: []string{"PATH=/bin:/usr/bin"}})
	if err != nil {
		fmt.Println(err)
		return 95
	}
	<-full
	var work sync.WaitGroup
	for range 12 {
		work.Go(func() { _ = unix.Nanosleep(&unix.Timespec{Nsec: 50_000_000}, nil) })
	}
	work.Wait()
	_ = c.Stdin().Close()
	code := c.Status().ExitCode
	if err := s.Close(); err != nil {
		fmt.Println(err)
		return 94
	}
	return code
}

// onWrite tells of the first write.
type onWrite func()

func (f onWrite) Write(b []byte) (int, error) { f(); return len(b), nil }
