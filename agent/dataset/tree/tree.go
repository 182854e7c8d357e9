// Package tree writes the files of a dataset into one folder: names cleaned,
// folders made, files created relative to open folders and checked again when an
// interrupted fill goes on.
//
// It promises that nothing is written outside the folder or through a link,
// whatever a name says, that no more than the declared bytes of a file are
// written, and that a full disk is told as what it is. It leaves where the bytes
// come from, and when the folder counts as complete, to its callers.
package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/contract"
)

// FileMode is the mode of every file written: read-only, because trainers get
// hard links to the same inodes.
const FileMode = 0o444

const dirMode = 0o755

// Tree is a folder being filled. Folders are numbered; the number stands for the
// path wherever there may be half a million files.
type Tree struct {
	Path string
	fd   int
	dirs []string
}

// Create opens the folder, and makes it when it is missing. It says whether
// something was in it before.
func Create(path string) (t *Tree, resumed bool, err error) {
	if err := os.MkdirAll(path, dirMode); err != nil {
		return nil, false, Explain(path, err)
	}
	entries, err := firstEntry(path)
	if err != nil {
		return nil, false, Explain(path, err)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false, Explain(path, &fs.PathError{Op: "open", Path: path, Err: err})
	}
	return &Tree{Path: path, fd: fd, dirs: []string{""}}, entries > 0, nil
}

func firstEntry(path string) (int, error) {
	d, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = d.Close() }()
	names, _ := d.Readdirnames(1)
	return len(names), nil
}

// Close closes the folder.
func (t *Tree) Close() error { return unix.Close(t.fd) }

// MakeDirs makes folders, parents included. paths are cleaned, and their order
// gives their numbers: number i+1 is paths[i], number 0 the tree itself.
func (t *Tree) MakeDirs(paths []string) error {
	m := maker{tree: t}
	defer m.leave(0)
	for _, p := range paths {
		if err := m.make(p); err != nil {
			return Explain(filepath.Join(t.Path, p), err)
		}
		t.dirs = append(t.dirs, p)
	}
	return nil
}

// maker makes folders, each from the handle of its parent. It keeps the handles
// down to the last one: neighbours in a dataset share most of their path.
type maker struct {
	tree *Tree
	open []step
}

type step struct {
	name string
	fd   int
}

func (m *maker) make(path string) error {
	depth := 0
	for name := range strings.SplitSeq(path, "/") {
		if depth >= len(m.open) || m.open[depth].name != name {
			m.leave(depth)
			if err := m.enter(name); err != nil {
				return err
			}
		}
		depth++
	}
	return nil
}

// enter makes a folder below the last one and opens it, without following a link.
func (m *maker) enter(name string) error {
	at := m.tree.fd
	if n := len(m.open); n > 0 {
		at = m.open[n-1].fd
	}
	if err := unix.Mkdirat(at, name, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	fd, err := openBelow(at, name)
	if err != nil {
		return err
	}
	m.open = append(m.open, step{name, fd})
	return nil
}

// leave closes the handles from a depth on.
func (m *maker) leave(depth int) {
	for len(m.open) > depth {
		_ = unix.Close(m.open[len(m.open)-1].fd)
		m.open = m.open[:len(m.open)-1]
	}
}

// openDir walks down without following a link. The caller closes what is not
// the tree's own descriptor.
func (t *Tree) openDir(path string) (int, error) {
	fd := t.fd
	for path != "" {
		base, rest, _ := strings.Cut(path, "/")
		next, err := openBelow(fd, base)
		if fd != t.fd {
			_ = unix.Close(fd)
		}
		if err != nil {
			return -1, err
		}
		fd, path = next, rest
	}
	return fd, nil
}

// openBelow opens a folder in an open one, and nothing that only leads to one.
func openBelow(at int, name string) (int, error) {
	fd, err := retryEINTR(func() (int, error) {
		return unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}

func retryEINTR(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if err != unix.EINTR { //nolint:errorlint // an errno, as the call returns it
			return n, err
		}
	}
}

// Progress counts what has arrived. Its fields may be read at any time.
type Progress struct {
	Bytes atomic.Int64 // of the transfer, as stored in the bucket
	Files atomic.Int64
}

// Explain makes a contract.Failure of an error of the file system.
func Explain(path string, err error) error {
	if _, done := errors.AsType[*contract.Failure](err); done {
		return err
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return contract.Failf(contract.CodeDiskFull, "the disk ran full while writing %s: %w", path, err).
			WithHint("Give the workspace a larger volume, or let other jobs on the node end.")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return contract.Failf(contract.CodeConfigInvalid, "writing %s is not allowed: %w", path, err).
			WithHint("Mount the folder writable for the agent's user, or set WORKSPACE_DIR or AGENT_DATASET_CACHE_DIR.")
	}
	return fmt.Errorf("writing %s: %w", path, err)
}

// Know numbers folders that are there already, as MakeDirs numbers those that it
// makes.
func (t *Tree) Know(paths []string) { t.dirs = append(t.dirs, paths...) }
