// Package scratch makes folders for temporary files, of the agent's commands and of the hub.
//
// It promises that a folder of Make lies where no training of this user can write, if this
// machine has such a place, and is told from one that does not (Shared); and that what a
// killed process left is removed by the next one, never what a living one uses. It leaves to
// agent/process/isolation to keep trainings out of Root.
package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// tries bounds how often a folder is made again because another process, which cleans up,
// took it between its making and its locking.
const tries = 10

// Root is this user's folder for what is unpacked and then run or believed. TMPDIR and HOME
// are the trainings' too, and so are all folders in them; whoever changes a script there
// between its unpacking and its running has it run outside of every confinement.
func Root() string { return filepath.Join("/var/tmp", "trainer-agent-"+strconv.Itoa(os.Geteuid())) }

// Folder is locked while its process lives, so that the next one can tell what a kill left.
type Folder struct {
	Dir string
	// Shared is why the folder is in TMPDIR, where a training of this user can write: nil
	// where it cannot, and where Root is missing because everything is read-only, as in
	// containers, which have one job.
	Shared error
	lock   *os.File // the folder itself
}

// Make makes a folder in Root, else in TMPDIR. name says whose it is.
func Make(name string) (*Folder, error) {
	err := own(Root())
	if err == nil {
		var f *Folder
		if f, err = In(Root(), name+"-"); err == nil {
			return f, nil
		}
	}
	f, failed := In(os.TempDir(), ".trainer-agent-"+name+"-")
	if failed == nil && !errors.Is(err, syscall.EROFS) && !errors.Is(err, fs.ErrNotExist) {
		f.Shared = err
	}
	return f, failed
}

// Temp is a folder in it, for the TMPDIR of what is run there.
func (f *Folder) Temp() (string, error) {
	dir := filepath.Join(f.Dir, "tmp")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("creating a folder for temporary files: %w", err)
	}
	return dir, nil
}

// own makes a folder that is this user's alone, or fails: anybody may have made one first.
func own(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	const all = 0o777
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(st.Uid) != os.Geteuid() || info.Mode()&all != 0o700 {
		return fmt.Errorf("%s is no folder of this user's alone", dir)
	}
	return nil
}

// In makes a folder whose name begins with prefix, and removes those beside it that nobody
// uses any more.
func In(parent, prefix string) (*Folder, error) {
	removeStale(parent, prefix)
	var err error
	for range tries {
		var dir string
		if dir, err = os.MkdirTemp(parent, prefix+"*"); err != nil {
			break
		}
		var lock *os.File
		if lock, err = lockFolder(dir); err == nil {
			return &Folder{Dir: dir, lock: lock}, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, fs.ErrNotExist) {
			// A file system without locks: nobody will take the folder for a stale one either.
			return &Folder{Dir: dir}, nil
		}
	}
	return nil, fmt.Errorf("creating a folder for temporary files: %w", err)
}

// Close removes the folder.
func (f *Folder) Close() error {
	err := os.RemoveAll(f.Dir)
	_ = f.lock.Close() // of none it is an error, which says nothing
	return err
}

// removeStale removes the folders of processes that were killed. What cannot be
// removed is another user's, or is tried again the next time.
func removeStale(parent, prefix string) {
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		if lock, err := lockFolder(dir); err == nil {
			_ = (&Folder{Dir: dir, lock: lock}).Close()
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
