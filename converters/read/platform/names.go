package platform

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

// Listed is what an annotations file says of where its images are.
type Listed struct {
	Names     []string // file_name of every image that has one, in file order
	Unnamed   int      // images without
	ImageRoot string   // storage_info.image_root
}

// ErrNoImages is for annotations without a list of images.
var ErrNoImages = errors.New(`it has no list of "images"`)

// Images reads the names of an annotations file's images, and holds nothing else of
// it in memory. It takes every text that ReadFile takes: a snapshot that wraps the
// annotations, a byte order mark, NaN, numbers for names.
func Images(path string) (*Listed, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return readListed(f)
}

func readListed(r io.Reader) (*Listed, error) {
	d := newReader(&limitedReader{r: r, left: DefaultLimits.Bytes}, "", new(problem.List), DefaultLimits)
	l := &Listed{}
	seen := false
	var top func() error
	top = func() error {
		return d.record(func(key []byte) error {
			switch string(key) {
			case "images":
				seen = true
				return d.list("images", func() error { return d.listedImage(l) })
			case "storage_info":
				return d.storageInfo()
			case "annotations":
				if c, err := d.s.peek(); err == nil && c == '{' && !d.wrapped {
					d.wrapped = true
					return top()
				}
			}
			return d.s.skip()
		})
	}
	if err := top(); err != nil {
		return nil, err
	}
	l.ImageRoot = d.c.ImageRoot
	if !seen {
		return nil, ErrNoImages
	}
	return l, nil
}

func (d *reader) listedImage(l *Listed) error {
	name := ""
	err := d.record(func(key []byte) (err error) {
		if string(key) != "file_name" {
			return d.s.skip()
		}
		name, err = d.text()
		return err
	})
	switch {
	case err != nil:
		return err
	case name == "":
		l.Unnamed++
		return nil
	}
	if l.Names = append(l.Names, name); len(l.Names) > d.limits.Images {
		return fmt.Errorf("more than %d images: %w", d.limits.Images, errTooLarge)
	}
	return nil
}
