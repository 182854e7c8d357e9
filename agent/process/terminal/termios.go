package terminal

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// setOutputRaw stops the pty from turning \n into \r\n: the log shall have the
// child's bytes, and the real terminal does it once more anyway.
func setOutputRaw(tty *os.File) error {
	_, err := changeTermios(tty, func(t *unix.Termios) { t.Oflag &^= unix.OPOST })
	return err
}

// setInputRaw hands every key on as it is typed, without echo; the keys that make
// signals still do. It returns the settings from before.
func setInputRaw(tty *os.File) (*unix.Termios, error) {
	return changeTermios(tty, func(t *unix.Termios) {
		t.Lflag &^= unix.ICANON | unix.ECHO | unix.IEXTEN
		t.Iflag &^= unix.ICRNL | unix.INLCR | unix.IGNCR
		t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	})
}

func restoreTermios(tty *os.File, saved *unix.Termios) error {
	_, err := changeTermios(tty, func(t *unix.Termios) { *t = *saved })
	return err
}

// changeTermios returns the settings from before.
func changeTermios(tty *os.File, change func(*unix.Termios)) (before *unix.Termios, err error) {
	err = os.ErrClosed
	control(tty, func(fd int) {
		if before, err = unix.IoctlGetTermios(fd, getTermios); err != nil {
			return
		}
		after := *before
		change(&after)
		err = unix.IoctlSetTermios(fd, setTermios, &after)
	})
	return before, err
}

// OpenPTY opens a pseudo-terminal whose master can be read with a deadline, which
// creack/pty by itself leaves blocking. Never call Fd on it: that blocks it again.
func OpenPTY() (master, slave *os.File, err error) {
	master, slave, err = pty.Open()
	if err != nil {
		return nil, nil, err
	}
	if pollable := master.SetReadDeadline(time.Time{}) == nil; !pollable {
		return master, slave, nil
	}
	if err := unix.SetNonblock(int(master.Fd()), true); err != nil {
		return nil, nil, errors.Join(err, master.Close(), slave.Close())
	}
	return master, slave, nil
}

// copySize gives one terminal the other's window size.
func copySize(from, to *os.File) {
	size := &unix.Winsize{}
	var failed error
	control(from, func(fd int) { size, failed = unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ) })
	if failed == nil {
		control(to, func(fd int) { _ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, size) })
	}
}

// control runs f with the descriptor, but not when the file is closed.
func control(file *os.File, f func(fd int)) {
	if raw, err := file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}

// inForeground reports whether the terminal's foreground group is ours.
func inForeground(tty *os.File) bool { return ForegroundOf(tty) == unix.Getpgrp() }

// ForegroundOf is the foreground group of a terminal, or of the pty behind a
// master; 0 when there is none.
func ForegroundOf(tty *os.File) int {
	group := 0
	control(tty, func(fd int) { group, _ = unix.IoctlGetInt(fd, unix.TIOCGPGRP) })
	return group
}

// signalForeground sends a signal to the foreground group behind a master.
func signalForeground(master *os.File, sig syscall.Signal) bool {
	sent := false
	control(master, func(fd int) { sent = unix.IoctlSetInt(fd, unix.TIOCSIG, int(sig)) == nil })
	return sent
}
