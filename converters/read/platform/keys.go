package platform

import (
	"errors"
	"io"
	"os"
)

// Keys calls look with the keys of the object that a JSON file is, as a stream, and
// with the first byte of each value, until look returns false. It reads no further
// than that. A file that is no object has no keys; the error is for one that ends
// or breaks before look had enough.
func Keys(path string, look func(key string, value byte) bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return keys(f, look)
}

// errEnough ends the walk over the keys.
var errEnough = errors.New("enough was seen")

func keys(r io.Reader, look func(key string, value byte) bool) error {
	s := newScanner(r)
	if c, _ := s.peek(); c != '{' { // what cannot be read has no keys either
		return nil
	}
	err := s.object(func(key []byte) error {
		name := string(key)
		c, err := s.peek()
		if err != nil {
			return err
		}
		if !look(name, c) {
			return errEnough
		}
		return s.skip()
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}
