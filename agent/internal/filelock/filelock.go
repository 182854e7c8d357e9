// Package filelock is a lock that the kernel holds for a process: flock(2) on a
// file or folder. It promises that a lock ends with its process however that ends,
// that trying never waits, and that a lock is held on what stands at the path now,
// not on something that was removed or replaced meanwhile. A lock is of one kind until it
// is given up: the kernel converts no lock in one step, so a caller who needs the
// other kind unlocks, tries again and looks again at what it protects. What the
// lock protects, and what to say to somebody who cannot have it, is theirs.
package filelock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"
)

// ErrHeld means that another process, or another Lock of this one, has it.
var ErrHeld = errors.New("it is locked by another process")

// errRemoved is fs.ErrNotExist: what was locked is no longer what the path names.
var errRemoved = fmt.Errorf("it was removed while it was locked: %w", fs.ErrNotExist)

// Lock is a lock that is held.
type Lock struct{ held *flock.Flock }

// Try locks the file at path for this process alone; the file is made when it is
// missing.
func Try(path string) (*Lock, error) { return tryFile(path, (*flock.Flock).TryLock) }

// TryShared locks the file at path together with others who do so.
func TryShared(path string) (*Lock, error) { return tryFile(path, (*flock.Flock).TryRLock) }

// TryDir locks a folder. One that is not there, or no longer, is fs.ErrNotExist;
// where the file system has no locks the error is neither that nor ErrHeld.
func TryDir(path string) (*Lock, error) {
	return try(path, (*flock.Flock).TryLock, flock.SetFlag(os.O_RDONLY))
}

// fileOptions: the lock is opened for writing because NFS takes an exclusive one
// only on such a descriptor. The mode is what the umask leaves of it: jobs of
// several users may share a cache.
var fileOptions = []flock.Option{flock.SetFlag(os.O_CREATE | os.O_RDWR), flock.SetPermissions(0o666)}

// removals bounds how often a lock's file may be removed between our making it and
// our locking it.
const removals = 10

func tryFile(path string, how func(*flock.Flock) (bool, error)) (l *Lock, err error) {
	for range removals {
		if l, err = try(path, how, fileOptions...); !errors.Is(err, errRemoved) {
			break
		}
	}
	return l, err
}

func try(path string, how func(*flock.Flock) (bool, error), options ...flock.Option) (*Lock, error) {
	l := &Lock{flock.New(path, options...)}
	ok, err := how(l.held)
	if err == nil && !ok {
		err = ErrHeld
	}
	if err == nil {
		err = l.stillThere()
	}
	if err != nil {
		_ = l.held.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return l, nil
}

// stillThere: between the opening and the locking somebody may have removed what
// was opened, and the next one would lock another file of that name.
func (l *Lock) stillThere() error {
	locked, err := l.held.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(l.held.Path())
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(locked, named) {
		return errRemoved
	}
	return err
}

// Touch says when the lock was last used, for those who look at its file.
func (l *Lock) Touch(now time.Time) error { return os.Chtimes(l.held.Path(), now, now) }

// Unlock gives the lock up; a nil Lock is none.
func (l *Lock) Unlock() error {
	if l == nil {
		return nil
	}
	return l.held.Close()
}
