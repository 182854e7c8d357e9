//go:build unix

package staging

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// place is an open folder. Its methods go straight to the system calls that they
// need: os.File would make nine of the three that create a file (it offers every
// new file to the poller, which takes no regular files).
type place struct {
	path string
	fd   int
}

func openPlace(path string) (place, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return place{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return place{path, fd}, nil
}

func (p place) close() { _ = unix.Close(p.fd) }

// create creates a file with content.
func (p place) create(name string, content []byte) error {
	fd, err := retry(func() (int, error) {
		return unix.Openat(p.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
	})
	if err != nil {
		return &fs.PathError{Op: "create", Path: p.path + "/" + name, Err: err}
	}
	for len(content) > 0 && err == nil {
		var n int
		n, err = retry(func() (int, error) { return unix.Write(fd, content) })
		content = content[max(n, 0):]
	}
	if closing := unix.Close(fd); err == nil {
		err = closing
	}
	if err != nil {
		return &fs.PathError{Op: "write", Path: p.path + "/" + name, Err: err}
	}
	return nil
}

// link makes a hard link to src, an absolute path.
func (p place) link(src, name string) error {
	_, err := retry(func() (int, error) { return 0, unix.Linkat(unix.AT_FDCWD, src, p.fd, name, 0) })
	if err != nil {
		return &fs.PathError{Op: "link", Path: src, Err: err}
	}
	return nil
}

// retry repeats a call that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR { //nolint:errorlint // an errno as the kernel returned it
			return n, err
		}
	}
}
