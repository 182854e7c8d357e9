package main_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// person is somebody at a terminal: a program on a pty, whose screen is read
// through a terminal emulator.
type person struct {
	t    *testing.T
	cmd  *exec.Cmd
	tty  *os.File
	vt   vt10x.Terminal
	read chan struct{} // closed when the terminal is

	mu      sync.Mutex
	raw     bytes.Buffer
	changed chan struct{} // closed and replaced with every output
}

// sit starts a program on a terminal of so many columns.
func sit(t *testing.T, cmd *exec.Cmd, columns, rows int) *person {
	t.Helper()
	p := &person{t: t, cmd: cmd, vt: vt10x.New(vt10x.WithSize(columns, rows)), read: make(chan struct{}), changed: make(chan struct{})}
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)})
	if err != nil {
		t.Fatal(err)
	}
	p.tty = tty
	go p.watch()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = tty.Close()
		<-p.read
	})
	return p
}

func (p *person) watch() {
	defer close(p.read)
	buf := make([]byte, 4096)
	var part []byte // of a character
	for {
		n, err := p.tty.Read(buf)
		p.mu.Lock()
		p.raw.Write(buf[:n])
		part = append(part, buf[:n]...)
		whole := len(part) - len(lastPart(part))
		_, _ = p.vt.Write(part[:whole])
		part = append([]byte(nil), part[whole:]...)
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// lastPart is the beginning of a character at the end: the emulator wants whole ones.
func lastPart(b []byte) []byte {
	if cut := len(strings.TrimRight(strings.ToValidUTF8(string(b), "\x00"), "\x00")); cut < len(b) && len(b)-cut < 4 {
		return b[cut:]
	}
	return nil
}

// screen is what is seen, without the spaces at the ends of lines.
func (p *person) screen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screenLocked()
}

func (p *person) screenLocked() string {
	var b strings.Builder
	for line := range strings.Lines(p.vt.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

func (p *person) bytes() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.raw.String()
}

// sees waits until the screen shows all of texts.
func (p *person) sees(texts ...string) {
	p.t.Helper()
	p.until(strings.Join(texts, " … "), func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) && !strings.Contains(unfolded(screen), text) {
				return false
			}
		}
		return true
	})
}

// unfolded is a screen without its line breaks.
func unfolded(screen string) string { return strings.Join(strings.Fields(screen), " ") }

func (p *person) until(what string, ok func(screen string) bool) {
	p.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		p.mu.Lock()
		seen, changed := p.screenLocked(), p.changed
		p.mu.Unlock()
		if ok(seen) {
			return
		}
		select {
		case <-changed:
		case <-p.read:
			if ok(p.screen()) {
				return
			}
			p.t.Fatalf("the terminal was closed before it showed %q:\n%s", what, p.screen())
		case <-deadline.C:
			p.t.Fatalf("the terminal never showed %q, but\n%s", what, p.screen())
		}
	}
}

func (p *person) types(keys string) {
	p.t.Helper()
	if _, err := p.tty.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) resize(columns, rows int) {
	p.t.Helper()
	p.mu.Lock()
	p.vt.Resize(columns, rows)
	p.mu.Unlock()
	if err := pty.Setsize(p.tty, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}); err != nil {
		p.t.Fatal(err)
	}
}

// leaves waits for the end of the program and of its output.
func (p *person) leaves() int {
	p.t.Helper()
	err := p.cmd.Wait()
	<-p.read // the pty ends with its last user
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal())
		}
		return exit.ExitCode()
	} else if err != nil && !errors.Is(err, fs.ErrClosed) {
		p.t.Fatal(err)
	}
	return 0
}
