package objects

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Folder keeps documents below a folder.
type Folder struct{ Dir string }

// Get reads a document; fs.ErrNotExist where there is none.
func (f Folder) Get(_ context.Context, key string) ([]byte, error) {
	if !filepath.IsLocal(key) {
		return nil, fmt.Errorf("%q is no key", key)
	}
	return os.ReadFile(filepath.Join(f.Dir, filepath.FromSlash(key)))
}

// Delete removes a document, if there is one.
func (f Folder) Delete(_ context.Context, key string) error {
	if !filepath.IsLocal(key) {
		return fmt.Errorf("%q is no key", key)
	}
	if err := os.Remove(filepath.Join(f.Dir, filepath.FromSlash(key))); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Put writes a document.
func (f Folder) Put(_ context.Context, key string, text []byte) (err error) {
	if !filepath.IsLocal(key) {
		return fmt.Errorf("%q is no key", key)
	}
	path := filepath.Join(f.Dir, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // after the rename there is none
	_, err = file.Write(text)
	if err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
