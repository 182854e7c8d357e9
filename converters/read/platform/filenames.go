package platform

import "io"

// FileNames are the names of a dataset's image files as its annotations have them.
type FileNames struct {
	Names     []string
	ImageRoot string // storage_info's; empty = none
	Unnamed   int    // images whose file the annotations do not name
}

// ReadFileNames reads the images' names out of one annotations file, which is
// called name, and keeps nothing else. It takes what Read takes, a snapshot's shape
// too; what it refuses, Read refuses as well.
func ReadFileNames(r io.Reader, name string) (FileNames, error) {
	n := nameReader{reader: newReader(&limitedReader{r: r, left: DefaultLimits.Bytes}, "", nil, DefaultLimits)}
	if err := n.top(); err != nil {
		return FileNames{}, failure(name, err)
	}
	n.found.ImageRoot = n.c.ImageRoot
	return n.found, nil
}

// nameReader is a reader that looks at nothing but names.
type nameReader struct {
	*reader
	found FileNames
}

func (n *nameReader) top() error {
	c, err := n.s.peek()
	if err != nil {
		return err
	}
	if c != '{' {
		return n.reader.top() // which says what is wrong with it
	}
	return n.s.object(func(key []byte) error {
		switch string(key) {
		case "images":
			return n.list("images", n.image)
		case "annotations":
			if c, err := n.s.peek(); err == nil && c == '{' && !n.wrapped {
				n.wrapped = true
				return n.top()
			}
		case "storage_info":
			return n.storageInfo()
		}
		return n.s.skip()
	})
}

func (n *nameReader) image() error {
	file := ""
	err := n.record(func(key []byte) (err error) {
		if string(key) != "file_name" {
			return n.s.skip()
		}
		file, err = n.text()
		return err
	})
	if file == "" {
		n.found.Unnamed++
	} else {
		n.found.Names = append(n.found.Names, file)
	}
	return err
}
