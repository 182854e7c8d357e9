package checkpoints

import (
	"fmt"
	"os"
	"syscall"
)

// openRegular opens a file of the child for reading. O_NONBLOCK keeps a FIFO
// that the child put there from holding us; anything but a regular file is refused.
func openRegular(root *os.Root, rel string) (*os.File, error) {
	f, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", rel)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
