package process

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/process/terminal"
)

func TestPTYGivesTheChildATerminalAndUsItsExactBytes(t *testing.T) {
	s := newSupervisor(t, Options{})
	out := newWatched()
	c := startRole(t, s, Spec{Main: true, PTY: true, Stdout: out}, "tty")
	out.wait(t, "ready")
	got := out.String()
	if !contains(got, "terminal true true true") || !contains(got, "foreground true") {
		t.Errorf("got %q", got)
	}
	if strings.Contains(got, "\r") {
		t.Errorf("the terminal changed line ends: %q", got)
	}
	c.Stop(t.Context(), Stop{})
}

// onTerminal runs the agent's bare mode as a user would see it: as the foreground
// job of a terminal, whose keys the test presses.
type onTerminal struct {
	*agent
	keys *os.File
}

func startOnTerminal(t *testing.T, role ...string) *onTerminal {
	t.Helper()
	master, slave, err := terminal.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	resize(master, 91, 17)
	line := self("init", append([]string{"1h"}, role...)...)
	a := &agent{cmd: exec.Command(line[0], line[1:]...), out: newWatched()}
	a.cmd.Stdin, a.cmd.Stdout, a.cmd.Stderr = slave, slave, slave
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a.host = a.cmd.Process.Pid
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(a.out, master)
	}()
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
		_ = slave.Close() // its last user: the master's EOF
		<-read
	})
	return &onTerminal{agent: a, keys: master}
}

// controlled runs f with the descriptor, and does not make it blocking.
func controlled(file *os.File, f func(fd int)) {
	if raw, err := file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}

func resize(master *os.File, columns, rows uint16) {
	controlled(master, func(fd int) {
		_ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows})
	})
}

func (o *onTerminal) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := o.keys.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	ctrlZ = "\x1a"
)

func TestTerminalPassesKeysAndSize(t *testing.T) {
	o := startOnTerminal(t, self("tty")...)
	o.out.wait(t, "terminal true true true 91 17")
	o.out.wait(t, "ready")
	o.press(t, "hello\r")
	o.out.wait(t, "line hello")
	resize(o.keys, 120, 40)
	o.out.wait(t, "terminal true true true 120 40")
	o.press(t, ctrlD)
	if code := o.exitCode(); code != 0 {
		t.Errorf("exit code %d: %s", code, o.out)
	}
}

func TestTerminalIsGivenBackAsItWas(t *testing.T) {
	o := startOnTerminal(t, self("tty")...)
	o.out.wait(t, "ready")
	raw := termios(t, o.keys)
	if raw.Lflag&unix.ICANON != 0 || raw.Lflag&unix.ISIG == 0 || raw.Oflag&unix.OPOST == 0 {
		t.Errorf("while the child runs: %+v", raw)
	}
	o.press(t, ctrlD)
	_ = o.exitCode()
	if cooked := termios(t, o.keys); cooked.Lflag&(unix.ICANON|unix.ECHO) != unix.ICANON|unix.ECHO {
		t.Errorf("after the end: %+v", cooked)
	}
}

func termios(t *testing.T, master *os.File) *unix.Termios {
	t.Helper()
	var got *unix.Termios
	err := os.ErrClosed
	controlled(master, func(fd int) { got, err = unix.IoctlGetTermios(fd, unix.TCGETS) })
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestCtrlCReachesTheChildOnce(t *testing.T) {
	o := startOnTerminal(t, self("listen")...)
	o.out.wait(t, "ready")
	o.press(t, ctrlC)
	o.out.wait(t, fmt.Sprintf("got %d\r\n", syscall.SIGINT))
	o.send(t, syscall.SIGTERM)
	if code := o.exitCode(); code != 3 {
		t.Errorf("exit code %d", code)
	}
	o.out.wait(t, fmt.Sprintf("count %d 1\r\n", syscall.SIGINT))
}

func TestCtrlZSuspendsTheWholeJob(t *testing.T) {
	o := startOnTerminal(t, self("listen")...)
	o.out.wait(t, "ready")
	child := onlyChild(o.host)
	o.press(t, ctrlZ)
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(o.host, &ws, syscall.WUNTRACED, nil); err != nil || !ws.Stopped() {
		t.Fatalf("the agent: %v, %v", ws, err)
	}
	eventually(t, "the child is stopped", func() bool { return state(child) == 'T' })
	if cooked := termios(t, o.keys); cooked.Lflag&unix.ICANON == 0 {
		t.Error("the shell gets a raw terminal")
	}
	o.send(t, syscall.SIGCONT)
	o.out.wait(t, fmt.Sprintf("got %d\r\n", syscall.SIGCONT))
	eventually(t, "the terminal is raw again", func() bool { return termios(t, o.keys).Lflag&unix.ICANON == 0 })
	o.send(t, syscall.SIGTERM)
	if code := o.exitCode(); code != 3 {
		t.Errorf("exit code %d", code)
	}
}

// An interactive shell as the child has jobs of its own: the keys are for those.
func TestInteractiveShellKeepsItsJobControl(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Fatal("bash is needed:", err)
	}
	o := startOnTerminal(t, "bash", "--norc", "--noprofile", "--noediting", "-i")
	o.press(t, "PS1=; echo shell $((1+1))\r")
	o.out.wait(t, "shell 2\r\n")
	o.press(t, strings.Join(self("listen"), " ")+"\r")
	o.out.wait(t, "ready")
	o.press(t, ctrlC)
	o.out.wait(t, fmt.Sprintf("got %d\r\n", syscall.SIGINT))
	o.press(t, ctrlZ)
	o.out.wait(t, fmt.Sprintf("got %d\r\n", syscall.SIGTSTP)) // it catches that, too
	o.press(t, "\x1c")
	o.out.wait(t, fmt.Sprintf("got %d\r\n", syscall.SIGQUIT))
	job := onlyChild(onlyChild(o.host))
	if err := syscall.Kill(job, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	o.out.wait(t, "count")
	o.press(t, "exit 11\r")
	if code := o.exitCode(); code != 11 {
		t.Errorf("exit code %d: %q", code, o.out)
	}
}
