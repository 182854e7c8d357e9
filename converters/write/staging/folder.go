package staging

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Folder is one folder of the tree, held open: the kernel finds a name in it
// without walking down from the root, which a conversion does twice an image.
// The names that its methods take have no folder of their own, and must not
// exist yet.
type Folder struct {
	dir *Dir
	place
}

// Open makes a folder of the tree and those above it.
func (d *Dir) Open(rel string) (*Folder, error) {
	if d.counts {
		return &Folder{dir: d}, nil
	}
	path := d.temp + "/" + rel
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, failure("creating a folder", err)
	}
	p, err := openPlace(path)
	if err != nil {
		return nil, failure("opening a folder", err)
	}
	return &Folder{d, p}, nil
}

// Close lets go of the folder.
func (f *Folder) Close() {
	if !f.dir.counts {
		f.close()
	}
}

// Write creates a file with content.
func (f *Folder) Write(name string, content []byte) error {
	if f.dir.counts {
		return nil
	}
	if err := f.create(name, content); err != nil {
		return failure("writing a file", err)
	}
	return nil
}

// Link places the file src, an absolute path: as a hard link, else a symbolic
// link, else a copy.
func (f *Folder) Link(src, name string) error {
	if f.dir.counts {
		return nil
	}
	if !f.dir.noHardLinks.Load() {
		err := f.link(src, name)
		if err == nil {
			return nil
		}
		if !cannotLink(err) {
			return failure("linking an image", err)
		}
		if errors.Is(err, syscall.EXDEV) {
			f.dir.noHardLinks.Store(true)
		}
	}
	if !f.dir.noSymlinks.Load() {
		err := os.Symlink(src, f.path+"/"+name)
		if err == nil {
			return nil
		}
		if !cannotLink(err) {
			return failure("linking an image", err)
		}
		f.dir.noSymlinks.Store(true)
	}
	return f.Copy(src, name)
}

// cannotLink reports whether another kind of link or a copy may still work: the
// file system has no such links, they would cross devices, there are too many,
// or the kernel protects them (fs.protected_hardlinks).
func cannotLink(err error) bool {
	for _, e := range []error{syscall.EXDEV, syscall.EPERM, syscall.EACCES, syscall.EMLINK, syscall.ENOTSUP, syscall.ENOSYS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Copy places a copy of the file src.
func (f *Folder) Copy(src, name string) error {
	if f.dir.counts {
		return nil
	}
	in, err := os.Open(src)
	if err != nil {
		return fmt.Errorf("copying an image: %w", err)
	}
	defer func() { _ = in.Close() }()
	return f.Fill(name, func(out io.Writer) error {
		_, err := io.Copy(out, in)
		return err
	})
}

// Fill creates a file whose content write makes.
func (f *Folder) Fill(name string, write func(io.Writer) error) error {
	if f.dir.counts {
		return nil
	}
	out, err := os.OpenFile(f.path+"/"+name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return failure("creating a file", err)
	}
	if err := errors.Join(write(out), out.Close()); err != nil {
		return failure("writing a file", err)
	}
	return nil
}
