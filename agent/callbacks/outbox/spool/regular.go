package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// OpenRegular opens a file as os.OpenFile does, but neither follows a link nor waits
// for a pipe: one who can write to the folder may have planted one. Its error is
// ErrDamaged for what is no regular file.
func OpenRegular(path string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag|unix.O_NOFOLLOW|unix.O_NONBLOCK, perm)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.EISDIR) {
		return nil, notRegular(path)
	}
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(notRegular(path), f.Close())
	}
	return f, nil
}

func notRegular(path string) error {
	return fmt.Errorf("%w: %s is no regular file", ErrDamaged, filepath.Base(path))
}
