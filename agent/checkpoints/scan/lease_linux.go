package scan

import (
	"os"

	"golang.org/x/sys/unix"
)

// beingWritten asks the kernel whether any process has the file open for
// writing: a read lease is refused then (fcntl(2), F_SETLEASE). known is false
// where leases do not exist (NFS, some sandboxes) or are not allowed.
//
// It takes the place of inotify's CLOSE_WRITE, which fsnotify does not pass on,
// which gets lost when its queue overflows and which never comes over NFS. The
// lease is given back at once. A writer that opens the file in those
// microseconds waits for them, and the kernel then signals us: SIGURG, which
// every Go program ignores, in place of the default SIGIO.
func beingWritten(f *os.File) (writing, known bool) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false, false
	}
	err = conn.Control(func(fd uintptr) {
		if _, err := unix.FcntlInt(fd, unix.F_SETSIG, int(unix.SIGURG)); err != nil {
			return
		}
		switch _, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK); err {
		case nil:
			_, _ = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
			known = true
		case unix.EAGAIN:
			writing, known = true, true
		}
	})
	return writing, known && err == nil
}
