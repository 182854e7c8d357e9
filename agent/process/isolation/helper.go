package isolation

import (
	"io"
	"os"
	"syscall"
)

// Reach writes the paths that this process can open for reading, each with a NUL
// behind it. A pipe that somebody put there does not hold it.
func Reach(out io.Writer, paths []string) error {
	for _, path := range paths {
		f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		_ = f.Close()
		if _, err := io.WriteString(out, path+"\x00"); err != nil {
			return err
		}
	}
	return nil
}
