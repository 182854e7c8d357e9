package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// scratchPrefix begins the name of every scratch folder.
const scratchPrefix = ".trainer-agent-convert-"

// scratchTries bounds how often a folder is made again because another process,
// which cleans up, took it between its making and its locking.
const scratchTries = 10

// scratch is a folder for temporary files. It is locked while its process lives,
// so that the next one can tell what a kill left behind.
type scratch struct {
	dir  string
	lock *os.File // the folder itself
}

// newScratch makes a folder below parent, empty for the system's own place, and
// removes those there that nobody uses any more.
func newScratch(parent string) (*scratch, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	removeStale(parent)
	var err error
	for range scratchTries {
		var dir string
		if dir, err = os.MkdirTemp(parent, scratchPrefix+"*"); err != nil {
			break
		}
		var lock *os.File
		if lock, err = lockFolder(dir); err == nil {
			return &scratch{dir, lock}, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, fs.ErrNotExist) {
			// A file system without locks: nobody will take the folder for a stale one either.
			return &scratch{dir, nil}, nil
		}
	}
	return nil, fmt.Errorf("creating a folder for temporary files: %w", err)
}

// close removes the folder.
func (s *scratch) close() {
	_ = os.RemoveAll(s.dir)
	_ = s.lock.Close() // of none it is an error, which says nothing
}

// removeStale removes the folders of processes that were killed. What cannot be
// removed is another user's, or is tried again the next time.
func removeStale(parent string) {
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), scratchPrefix) {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		if lock, err := lockFolder(dir); err == nil {
			(&scratch{dir, lock}).close()
		}
	}
}

// lockFolder locks a folder until the file is closed or the process ends, without
// waiting for the holder of the lock. It fails with fs.ErrNotExist when the folder
// was removed meanwhile.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = stillThere(f)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func stillThere(f *os.File) error {
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(f.Name())
	if err == nil && !os.SameFile(opened, named) {
		err = fs.ErrNotExist
	}
	return err
}
