package process

import (
	"os"
	"syscall"

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

// changeTermios goes through the file's poller, which Fd() would switch off.
func changeTermios(tty *os.File, change func(*unix.Termios)) (*unix.Termios, error) {
	raw, err := tty.SyscallConn()
	if err != nil {
		return nil, err
	}
	var before *unix.Termios
	var failed error
	err = raw.Control(func(fd uintptr) {
		if before, failed = unix.IoctlGetTermios(int(fd), getTermios); failed != nil {
			return
		}
		after := *before
		change(&after)
		failed = unix.IoctlSetTermios(int(fd), setTermios, &after)
	})
	if err != nil {
		return nil, err
	}
	return before, failed
}

// inForeground reports whether the terminal's foreground group is ours.
func inForeground(tty *os.File) bool { return foregroundOf(tty) == unix.Getpgrp() }

// foregroundOf is the foreground group of a terminal, or of the pty behind a
// master; 0 when there is none.
func foregroundOf(tty *os.File) int {
	group := 0
	if raw, err := tty.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { group, _ = unix.IoctlGetInt(int(fd), unix.TIOCGPGRP) })
	}
	return group
}

// signalForeground sends a signal to the foreground group behind a master.
func signalForeground(master *os.File, sig syscall.Signal) bool {
	raw, err := master.SyscallConn()
	if err != nil {
		return false
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.IoctlSetInt(int(fd), unix.TIOCSIG, int(sig)) })
	return err == nil && failed == nil
}
