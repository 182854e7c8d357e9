package terminal

import (
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/vision-platform/trainer-agent/converters/crew"
)

// Terminal joins the agent's own terminal with the pty of the main child: what is
// typed goes in, the size follows, and job control keeps its meaning. Ctrl-C,
// Ctrl-\ and Ctrl-Z are left to the real terminal, which sends them as signals to
// the agent's group, as with any program. Its output side is left alone too, so
// the agent's own lines look right beside the child's.
//
// The zero value has no terminal and does nothing.
type Terminal struct {
	mu     sync.Mutex
	tty    *os.File // opened again, so that reads can be cancelled and flags are ours
	input  bool     // stdin is the terminal, so what is typed is for us
	master *os.File
	child  int           // its group, which is the pty's first foreground group
	saved  *unix.Termios // what the terminal was like before input went raw
	reader chan struct{}
}

// Open finds the agent's controlling terminal, if it was started on one.
func Open() *Terminal {
	t := &Terminal{input: term.IsTerminal(int(os.Stdin.Fd()))}
	if !t.input && !term.IsTerminal(int(os.Stdout.Fd())) {
		return t
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return t
	}
	t.tty = tty
	t.input = t.input && tty.SetReadDeadline(time.Time{}) == nil // else reading could not be ended
	return t
}

// Prepare makes a fresh pty pass bytes as they are and gives it our size.
func (t *Terminal) Prepare(master, slave *os.File) error {
	if err := setOutputRaw(slave); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tty != nil {
		copySize(t.tty, master)
	}
	return nil
}

// Attach connects the terminal with the master of the running child.
func (t *Terminal) Attach(master *os.File, child int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.master, t.child = master, child
	t.takeLocked()
}

// takeLocked starts passing input on, if the terminal is ours to read: a
// background job that reads is stopped by the kernel.
func (t *Terminal) takeLocked() {
	if t.tty == nil || !t.input || t.master == nil || t.reader != nil || !inForeground(t.tty) {
		return
	}
	saved, err := setInputRaw(t.tty)
	if err != nil {
		return
	}
	t.saved = saved
	t.reader = make(chan struct{})
	_ = t.tty.SetReadDeadline(time.Time{})
	_ = t.master.SetWriteDeadline(time.Time{})
	reader, master := t.reader, t.master
	crew.Go(func() { t.read(reader, master) })
}

// Attached reports that a terminal is connected now.
func (t *Terminal) Attached() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tty != nil && t.master != nil
}

func (t *Terminal) read(done chan struct{}, master *os.File) {
	defer close(done)
	buf := make([]byte, 4096)
	for {
		n, err := t.tty.Read(buf)
		if n > 0 {
			if _, err := master.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// releaseLocked gives the terminal back as it was.
func (t *Terminal) releaseLocked() {
	if t.reader != nil {
		_ = t.tty.SetReadDeadline(time.Unix(1, 0))
		_ = t.master.SetWriteDeadline(time.Unix(1, 0)) // a child that reads nothing
		<-t.reader
		t.reader = nil
	}
	if t.saved != nil {
		_ = restoreTermios(t.tty, t.saved)
		t.saved = nil
	}
}

// Release gives the terminal its own settings back.
func (t *Terminal) Release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.releaseLocked()
}

// Pass hands a key's signal to the pty's foreground group, as if the key had been
// pressed there: an interactive shell gives that group to its jobs.
func (t *Terminal) Pass(sig syscall.Signal) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.master != nil && signalForeground(t.master, sig)
}

// PassJobControl does so when the child has jobs of its own. Without, Ctrl-Z means
// the whole: the agent and the child.
func (t *Terminal) PassJobControl(sig syscall.Signal) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.master == nil || ForegroundOf(t.master) == t.child {
		return false
	}
	return signalForeground(t.master, sig)
}

// Resume takes the terminal again after the agent was stopped and continued.
func (t *Terminal) Resume() { t.Resize() }

// Resize passes the window's size on; only a foreground job hears of it, so it is
// also the moment to take the input again.
func (t *Terminal) Resize() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tty == nil || t.master == nil {
		return
	}
	copySize(t.tty, t.master)
	t.takeLocked()
}

// Detach ends the connection after the child's exit.
func (t *Terminal) Detach() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.releaseLocked()
	t.master = nil
}

// Close detaches and ends the pseudo-terminal.
func (t *Terminal) Close() {
	t.Detach()
	if t.tty != nil {
		_ = t.tty.Close()
	}
}
