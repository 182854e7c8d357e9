package start

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pipeCapacity is the size of the pipe's buffer in bytes.
func pipeCapacity(f *os.File) int {
	size := pumpChunk
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if n, err := unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0); err == nil {
				size = n
			}
		})
	}
	return size
}

// readNow reads what is there and never waits.
func readNow(f *os.File, buf []byte) int {
	_ = f.SetReadDeadline(time.Time{})
	raw, err := f.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	_ = raw.Read(func(fd uintptr) bool {
		n, _ = unix.Read(int(fd), buf)
		return true
	})
	return n
}
