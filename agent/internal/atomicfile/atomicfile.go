// Package atomicfile replaces a file in one step. It promises that a reader sees
// the old content or the new one and never a part, that after Commit the new one
// is on disk even if the power fails, and that a link or a pipe which somebody
// planted under the temporary name is not followed. It leaves it to its callers
// that only one of them writes a file at a time.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Suffix ends the name of a file that is being written. It is the same each time,
// so that what a kill leaves behind is replaced by the next write.
const Suffix = ".partial"

// Write replaces the file at path.
func Write(path string, content []byte, mode fs.FileMode) error {
	f, err := Create(path, mode)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", path, err), f.Abort())
	}
	return f.Commit()
}

// File is a file that is being written under a temporary name beside its own.
type File struct {
	*os.File
	path string
}

// Create begins to write the file at path. End it with Commit or Abort.
func Create(path string, mode fs.FileMode) (*File, error) {
	if err := os.Remove(path + Suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("creating %s: %w", path, err)
	}
	f, err := os.OpenFile(path+Suffix, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, mode)
	if err != nil {
		return nil, fmt.Errorf("creating %s: %w", path, err)
	}
	return &File{File: f, path: path}, nil
}

// Commit brings the content to the disk and makes it the file. When it fails
// nothing is changed and nothing stays behind.
func (f *File) Commit() error {
	err := errors.Join(f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), f.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", f.path, err), f.Abort())
	}
	return SyncDir(filepath.Dir(f.path))
}

// Abort gives up what was written.
func (f *File) Abort() error {
	_ = f.Close() // it may be closed already
	if err := os.Remove(f.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a temporary file: %w", err)
	}
	return nil
}

// SyncDir brings a folder's names to the disk. A file system that cannot (some
// network and user-space ones answer EINVAL) keeps names in its own way.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	if err := errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return nil
}
