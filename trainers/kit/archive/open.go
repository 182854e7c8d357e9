package archive

import (
	"archive/zip"
	"errors"
	"io"
	"math"
	"os"
)

// maxDirectory bounds the directory of an archive, in bytes. Each of its entries becomes
// an object in memory before anybody can count them: a directory of half a gigabyte would
// take three.
const maxDirectory = 16 << 20

// ErrDirectory is a directory that is larger than that of any package.
var ErrDirectory = errors.New("the directory of the archive is larger than that of any package")

// NewReader reads the directory of a zip, or returns ErrDirectory.
func NewReader(in io.ReaderAt, size int64) (*zip.Reader, error) {
	at := &allowance{in: in, left: maxDirectory}
	reader, err := zip.NewReader(at, size)
	if at.left < 0 {
		return nil, ErrDirectory
	}
	at.left = math.MaxInt64 // files are read by their own limits
	return reader, err
}

// Open is NewReader of a file. The caller closes it.
func Open(path string) (*zip.Reader, io.Closer, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	reader, err := NewReader(file, info.Size())
	if err != nil {
		_ = file.Close()
		return nil, nil, err
	}
	return reader, file, nil
}

// allowance lets so many bytes be read.
type allowance struct {
	in   io.ReaderAt
	left int64
}

func (a *allowance) ReadAt(p []byte, off int64) (int, error) {
	if a.left -= int64(len(p)); a.left < 0 {
		return 0, ErrDirectory
	}
	return a.in.ReadAt(p, off)
}
