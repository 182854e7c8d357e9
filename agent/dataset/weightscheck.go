package dataset

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
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

// refuse knows what answers like a file and is none.
func (w *weights) refuse(head []byte) error {
	empty := len(head) == 0
	head = bytes.TrimSpace(head)
	what := ""
	switch lower := bytes.ToLower(head); {
	case empty:
		what = "an empty file"
	case bytes.HasPrefix(lower, []byte("<!doctype html")), bytes.HasPrefix(lower, []byte("<html")):
		what = "a web page"
	case bytes.HasPrefix(lower, []byte("<?xml")), bytes.HasPrefix(lower, []byte("<error")):
		what = "an XML message"
	case bytes.HasPrefix(head, []byte("version https://git-lfs")):
		what = "a Git LFS pointer"
	case bytes.HasPrefix(head, []byte(`{"`)) && !strings.HasSuffix(w.base(), ".json"):
		what = "a JSON message"
	}
	if what != "" {
		return contract.Failf(contract.CodeWeightsUnavailable, "%s gave %s in place of weights", w.name(), what).
			WithHint("Upload the weights' own file and presign its address.")
	}
	return nil
}
