//go:build !unix

package staging

import (
	"errors"
	"os"
)

// place is a folder, by its path.
type place struct{ path string }

func openPlace(path string) (place, error) { return place{path}, nil }

func (p place) close() {}

// create creates a file with content.
func (p place) create(name string, content []byte) error {
	f, err := os.OpenFile(p.path+"/"+name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// link makes a hard link to src, an absolute path.
func (p place) link(src, name string) error { return os.Link(src, p.path+"/"+name) }
