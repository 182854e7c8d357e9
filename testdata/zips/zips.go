// Package zips writes zip archives as nobody means them: for tests only.
package zips

import (
	"archive/zip"
	"io"
	"io/fs"
)

// Add writes an entry of any name, which the standard library leaves to its caller, and of
// any mode; 0 says none.
func Add(w *zip.Writer, name, body string, mode fs.FileMode) error {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	if mode != 0 {
		h.SetMode(mode)
	}
	f, err := w.CreateHeader(h)
	if err == nil {
		_, err = io.WriteString(f, body)
	}
	return err
}
