package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer is an image's layer being written: sorted, without times and owners, so that the
// same files give the same bytes.
type layer struct {
	tar  *tar.Writer
	made map[string]bool // folders
}

// writeLayer writes a layer to a file, which must stay as long as the layer is used.
func writeLayer(file string, fill func(*layer) error) (_ v1.Layer, err error) {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	zip, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	l := &layer{tar: tar.NewWriter(zip), made: map[string]bool{}}
	if err := errors.Join(fill(l), l.tar.Close(), zip.Close(), out.Close()); err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	return tarball.LayerFromFile(file, tarball.WithMediaType(types.OCILayer))
}

// folder adds a folder with those above it.
func (l *layer) folder(name string, owner int) error {
	if name == "." || l.made[name] {
		return nil
	}
	if err := l.folder(path.Dir(name), 0); err != nil {
		return err
	}
	l.made[name] = true
	return l.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, Uid: owner, Gid: owner})
}

func (l *layer) file(name string, mode fs.FileMode, size int64, from io.Reader) error {
	if err := l.folder(path.Dir(name), 0); err != nil {
		return err
	}
	if err := l.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode), Size: size}); err != nil {
		return err
	}
	_, err := io.Copy(l.tar, from)
	return err
}

// edit is what becomes of a file on its way into a layer; nil leaves it as it is.
type edit func(text []byte) []byte

// asItIs takes every file unchanged.
func asItIs(string) (edit, bool) { return nil, true }

// tree adds the files below a folder, each as asked. Whatever is neither file nor folder is an error.
func (l *layer) tree(dir, to string, as func(name string) (_ edit, kept bool)) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := l.folder(to, 0); err != nil {
		return err
	}
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "__pycache__" {
			return fs.SkipDir
		}
		change, kept := as(name)
		switch {
		case !kept:
			return nil
		case entry.IsDir():
			return l.folder(path.Join(to, name), 0)
		case !entry.Type().IsRegular():
			return fmt.Errorf("%s is neither file nor folder", name)
		}
		return l.copy(root, name, path.Join(to, name), change)
	})
}

func (l *layer) copy(root *os.Root, name, to string, change edit) error {
	file, err := root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	mode := 0o644 | info.Mode().Perm()&0o111
	if change == nil {
		return l.file(to, mode, info.Size(), file)
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	text = change(text)
	return l.file(to, mode, int64(len(text)), bytes.NewReader(text))
}

// link adds a symbolic link.
func (l *layer) link(name, target string) error {
	if err := l.folder(path.Dir(name), 0); err != nil {
		return err
	}
	return l.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777})
}
