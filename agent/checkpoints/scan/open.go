package scan

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// OpenDir opens OUTPUT_DIR itself. The child may own the folder above and put a
// link in its place, so a link is refused; one that an operator set before the job
// is resolved by Resolve.
func OpenDir(dir string) (*os.Root, error) {
	named, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if !named.IsDir() {
		return nil, fmt.Errorf("opening OUTPUT_DIR: %s is not a folder any more; something put a %s in its place", dir, kind(named.Mode()))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	if err == nil && !os.SameFile(named, opened) {
		err = fmt.Errorf("opening OUTPUT_DIR: %s was replaced meanwhile", dir)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

func kind(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m.IsRegular():
		return "file"
	}
	return "special file"
}

// Open opens a file of the child for reading. os.Root keeps links below OUTPUT_DIR,
// O_NONBLOCK keeps a pipe that the child put there from holding us, and anything but
// a regular file is refused.
func Open(root *os.Root, rel string) (*os.File, error) {
	f, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", rel)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// openFolder opens what was a folder when it was listed; a pipe that the child put there
// since does not hold us.
func openFolder(root *os.Root, rel string) (*os.File, error) {
	return root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// FS is root.FS for a walk, without its wait for a pipe in the place of a folder.
func FS(root *os.Root) fs.FS { return walked{root} }

type walked struct{ root *os.Root }

func (w walked) Open(name string) (fs.File, error) { return openFolder(w.root, name) }
