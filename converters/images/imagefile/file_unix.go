//go:build unix

package imagefile

import (
	"io"
	"io/fs"
	"syscall"
)

// file reads a file by plain system calls: os.File would offer each one to the
// poller, which takes no regular files, and a dataset has a hundred thousand.
type file struct{ fd int }

func open(path string) (file, error) {
	for {
		fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
		switch err {
		case nil:
			return file{fd}, nil
		case syscall.EINTR:
		default:
			return file{-1}, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// size is the length of the file; regular is false for anything but a file.
func (f file) size() (n int64, regular bool, err error) {
	var stat syscall.Stat_t
	if err := syscall.Fstat(f.fd, &stat); err != nil {
		return 0, false, &fs.PathError{Op: "stat", Err: err}
	}
	return stat.Size, stat.Mode&syscall.S_IFMT == syscall.S_IFREG, nil
}

// ReadAt reads as io.ReaderAt asks.
func (f file) ReadAt(p []byte, offset int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := syscall.Pread(f.fd, p[done:], offset+int64(done))
		switch {
		case err == syscall.EINTR: //nolint:errorlint // an errno as the kernel returned it
		case err != nil:
			return done, &fs.PathError{Op: "read", Err: err}
		case n == 0:
			return done, io.EOF
		default:
			done += n
		}
	}
	return done, nil
}

func (f file) close() { _ = syscall.Close(f.fd) }
