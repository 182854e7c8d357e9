package spool

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData makes the file's bytes durable, and of its metadata only what reading
// them needs: not the time of the change, which would cost a journal entry.
func syncData(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if controlErr := raw.Control(func(fd uintptr) {
		for {
			if err = unix.Fdatasync(int(fd)); !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}); controlErr != nil {
		return controlErr
	}
	return os.NewSyscallError("fdatasync", err)
}
