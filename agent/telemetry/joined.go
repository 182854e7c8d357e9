package telemetry

import (
	"errors"
	"io"
	"os"
)

// joined are parts that are read as one, the one behind the other.
type joined []*io.SectionReader

// with puts what a file holds now behind the others.
func (j joined) with(f *os.File) (joined, error) {
	info, err := f.Stat()
	if err != nil {
		return j, err
	}
	return append(j, io.NewSectionReader(f, 0, info.Size())), nil
}

func (j joined) size() (n int64) {
	for _, part := range j {
		n += part.Size()
	}
	return n
}

// ReadAt reads over the borders of the parts.
func (j joined) ReadAt(p []byte, off int64) (n int, err error) {
	for _, part := range j {
		if off >= part.Size() {
			off -= part.Size()
			continue
		}
		read, err := part.ReadAt(p[n:], off)
		if n += read; n == len(p) {
			return n, nil
		}
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		off = 0
	}
	return n, io.EOF
}
