package dataset

import (
	"bytes"
	"errors"
	"io"
)

// checkHead looks at the first bytes before anything is written.
func (w *weights) checkHead() error {
	head := make([]byte, 512)
	n, err := w.body.Read(head)
	w.body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head[:n]), w.body), w.body}
	if n == 0 && !errors.Is(err, io.EOF) {
		return nil // receive gets the same error
	}
	return w.refuse(head[:n])
}

// check looks at the whole file.
func (w *weights) check() error {
	head := make([]byte, 512)
	n, _ := w.part.ReadAt(head[:min(512, w.have)], 0)
	return w.refuse(head[:n])
}
