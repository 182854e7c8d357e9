//go:build !unix

package imagefile

import "os"

// file reads a file.
type file struct{ *os.File }

func open(path string) (file, error) {
	f, err := os.Open(path)
	return file{f}, err
}

// size is the length of the file; regular is false for anything but a file.
func (f file) size() (n int64, regular bool, err error) {
	stat, err := f.Stat()
	if err != nil {
		return 0, false, err
	}
	return stat.Size(), stat.Mode().IsRegular(), nil
}

func (f file) close() { _ = f.Close() }
