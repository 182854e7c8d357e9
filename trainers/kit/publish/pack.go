// Package publish sends a trainer package to a hub: it zips the folder, uploads it
// and follows what becomes of it.
//
// It promises that the same folder gives the same bytes, that nothing of a desk's
// own (virtual environments, caches, version control) goes along, and that an
// upload that broke off is sent again without making a second submission. It
// leaves every judgement of the package to the hub.
package publish

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// own are files and folders of a desk that are no part of a package.
var own = []string{".git", ".venv", "venv", "workspace", "__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", "node_modules", ".DS_Store"}

// Pack writes a folder as a zip: sorted, and without times, so that the same files
// give the same bytes. A link is an error, for a package is files only. Left are the
// files and folders that stay behind.
func Pack(dir string, to io.Writer) (left []string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the package: %w", err)
	}
	defer func() { _ = root.Close() }()
	out := zip.NewWriter(to)
	out.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case slices.Contains(own, entry.Name()) && entry.IsDir():
			left = append(left, name+"/")
			return fs.SkipDir
		case entry.IsDir():
			return nil
		case slices.Contains(own, entry.Name()), strings.HasSuffix(name, ".pyc"):
			left = append(left, name)
			return nil
		case !entry.Type().IsRegular():
			return fmt.Errorf("%s is no plain file: a package has files and folders only", filepath.Join(dir, name))
		}
		return add(out, root, name)
	})
	if err = errors.Join(err, out.Close()); err != nil {
		return nil, fmt.Errorf("zipping %s: %w", dir, err)
	}
	return left, nil
}

func add(out *zip.Writer, root *os.Root, name string) error {
	in, err := root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	header := &zip.FileHeader{Name: name, Method: zip.Deflate}
	header.SetMode(0o644 | info.Mode()&0o111) // whether it can be executed is all that matters
	w, err := out.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, in)
	return err
}
