//go:build unix

package staging

import (
	"io/fs"
	"syscall"
)

// createFile creates a file with content, straight by its three system calls.
// os.File would make nine of it (it offers every new file to the poller, which
// takes no regular files), and a conversion creates one file an image.
func createFile(path string, content []byte) error {
	fd, err := retry(func() (int, error) {
		return syscall.Open(path, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_CLOEXEC, 0o644)
	})
	if err != nil {
		return &fs.PathError{Op: "create", Path: path, Err: err}
	}
	for len(content) > 0 && err == nil {
		var n int
		n, err = retry(func() (int, error) { return syscall.Write(fd, content) })
		content = content[max(n, 0):]
	}
	if closing := syscall.Close(fd); err == nil {
		err = closing
	}
	if err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

// retry repeats a call that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != syscall.EINTR { //nolint:errorlint // an errno as the kernel returned it
			return n, err
		}
	}
}
