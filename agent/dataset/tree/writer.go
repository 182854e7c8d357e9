package tree

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"
)

const (
	openDirs  = 16        // descriptors of folders that a writer keeps
	chunkSize = 256 << 10 // bytes of one write; a smaller file is one write
)

// ErrTooLong means that the source had more bytes than the file's declared size.
var ErrTooLong = errors.New("more bytes than declared")

// Writer creates files in a tree. It belongs to one goroutine.
type Writer struct {
	ctx  context.Context
	tree *Tree
	buf  []byte
	open [openDirs]struct {
		dir int32
		fd  int
	}
	used int // slots in use
	turn int // slot that is given up next
}

// NewWriter makes a writer, which stops in the middle of a file when ctx does.
// Close it.
func (t *Tree) NewWriter(ctx context.Context) *Writer {
	return &Writer{ctx: ctx, tree: t, buf: make([]byte, chunkSize)}
}

// Close closes the folders kept open.
func (w *Writer) Close() {
	for i := range w.used {
		if fd := w.open[i].fd; fd != w.tree.fd {
			_ = unix.Close(fd)
		}
	}
	w.used = 0
}

func (w *Writer) dir(id int32) (int, error) {
	for i := range w.used {
		if w.open[i].dir == id {
			return w.open[i].fd, nil
		}
	}
	fd, err := w.tree.openDir(w.tree.dirs[id])
	if err != nil {
		return -1, err
	}
	slot := w.used
	if slot == openDirs {
		slot = w.turn
		w.turn = (w.turn + 1) % openDirs
		if old := w.open[slot].fd; old != w.tree.fd {
			_ = unix.Close(old)
		}
	} else {
		w.used++
	}
	w.open[slot].dir, w.open[slot].fd = id, fd
	return fd, nil
}

// Write creates one file of exactly size bytes from r and returns their CRC-32.
// r must end there: a shorter source gives io.ErrUnexpectedEOF, a longer one
// ErrTooLong. A file that could not be completed is removed.
func (w *Writer) Write(dir int32, base string, size int64, r io.Reader) (crc uint32, err error) {
	at, err := w.dir(dir)
	if err != nil {
		return 0, w.explain(dir, base, err)
	}
	fd, err := create(at, base)
	if err != nil {
		return 0, w.explain(dir, base, err)
	}
	crc, err = w.fill(fd, size, r)
	if closeErr := unix.Close(fd); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = unix.Unlinkat(at, base, 0)
		return 0, w.explain(dir, base, err)
	}
	return crc, nil
}

// create makes a new file; one that is left of an interrupted fill is replaced.
func create(at int, base string) (int, error) {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := retryEINTR(func() (int, error) { return unix.Openat(at, base, flags, FileMode) })
	if errors.Is(err, fs.ErrExist) {
		if err := unix.Unlinkat(at, base, 0); err != nil {
			return -1, err
		}
		return retryEINTR(func() (int, error) { return unix.Openat(at, base, flags, FileMode) })
	}
	return fd, err
}

func (w *Writer) fill(fd int, size int64, r io.Reader) (crc uint32, err error) {
	for left := size; left > 0; {
		if w.ctx.Err() != nil {
			return 0, context.Cause(w.ctx)
		}
		chunk := w.buf[:min(int64(len(w.buf)), left)]
		if _, err := io.ReadFull(r, chunk); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		crc = crc32.Update(crc, crc32.IEEETable, chunk)
		if err := writeAll(fd, chunk); err != nil {
			return 0, err
		}
		left -= int64(len(chunk))
	}
	if n, err := io.ReadFull(r, w.buf[:1]); n > 0 {
		return 0, ErrTooLong
	} else if !errors.Is(err, io.EOF) {
		return 0, err
	}
	return crc, nil
}

func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := retryEINTR(func() (int, error) { return unix.Write(fd, b) })
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// Has reports whether the file is there with this size and CRC-32: then an
// interrupted fill need not fetch it again.
func (w *Writer) Has(dir int32, base string, size int64, crc uint32) bool {
	sum, ok := w.Sum(dir, base, size, io.Discard)
	return ok && sum == crc
}

// Sum returns the CRC-32 of a regular file of this size, and false for anything
// else. The content is written to also.
func (w *Writer) Sum(dir int32, base string, size int64, also io.Writer) (crc uint32, ok bool) {
	at, err := w.dir(dir)
	if err != nil {
		return 0, false
	}
	fd, err := retryEINTR(func() (int, error) {
		return unix.Openat(at, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	})
	if err != nil {
		return 0, false
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != size {
		return 0, false
	}
	for left := size; left > 0; {
		n, err := retryEINTR(func() (int, error) { return unix.Read(fd, w.buf) })
		if err != nil || n <= 0 || w.ctx.Err() != nil {
			return 0, false
		}
		if _, err := also.Write(w.buf[:n]); err != nil {
			return 0, false
		}
		crc = crc32.Update(crc, crc32.IEEETable, w.buf[:n])
		left -= int64(n)
	}
	return crc, true
}

func (w *Writer) explain(dir int32, base string, err error) error {
	if _, errno := errors.AsType[unix.Errno](err); !errno {
		return err // of the source: the caller knows more
	}
	return Explain(path.Join(w.tree.Path, w.tree.dirs[dir], base), err)
}
