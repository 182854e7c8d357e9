// Package format asks a file's own bytes whether it is all there, and which epoch
// it holds. It promises an answer from a few small reads, in bounded memory,
// whatever the bytes are: they come from outside. It leaves to its caller when to
// ask, and what to do with a format that has no end mark.
package format

import (
	"bytes"
	"io"
	"strings"
)

// Wholeness is what a file's own format says about its end.
type Wholeness int

// The answers of Inspect.
const (
	Endless Wholeness = iota // the format has no end mark: only quiet can tell
	Cut                      // its end is missing: still being written, or torn
	Whole
)

// Inspect answers whether the file is all there. base is the file's name, whose
// suffix decides where the first bytes do not. A read error counts as cut: the
// file is changing under us.
func Inspect(r io.ReaderAt, size int64, base string) Wholeness {
	if size == 0 {
		return Cut
	}
	head := make([]byte, min(16, size))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return Cut
	}
	lower := strings.ToLower(base)
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")): // torch, keras
		return inspectZip(r, size)
	case bytes.HasPrefix(head, []byte("\x89HDF\r\n\x1a\n")):
		return inspectHDF5(r, size)
	case strings.HasSuffix(lower, ".safetensors"):
		return inspectSafetensors(r, size)
	case strings.HasSuffix(lower, ".onnx"):
		return inspectONNX(r, size)
	case strings.HasSuffix(lower, ".json"):
		return inspectJSON(r, size)
	case isPickle(head):
		return inspectPickle(r, size)
	case !bytes.ContainsFunc(head, func(c rune) bool { return c != 0 }):
		return Cut // a file whose size was set before its first byte was written
	}
	return Endless
}

func wholeIf(ok bool) Wholeness {
	if ok {
		return Whole
	}
	return Cut
}

func readFull(r io.ReaderAt, b []byte, at int64) bool {
	if at < 0 {
		return false
	}
	n, err := r.ReadAt(b, at)
	return n == len(b) && (err == nil || err == io.EOF)
}
