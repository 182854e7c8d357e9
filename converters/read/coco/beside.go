package coco

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path"
	"slices"

	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// withoutCopies leaves out files that are byte for byte another one: backups, and
// what a browser downloads twice. The shorter name stays, of equals the first.
func withoutCopies(f *layout.Folder, files []file) (rest []file, copies []string) {
	called := func(name string) func(file) bool { return func(o file) bool { return o.name == name } }
	list := slices.Clone(files)
	slices.SortStableFunc(list, func(a, b file) int { return len(path.Base(a.name)) - len(path.Base(b.name)) })
	var kept []file
	for _, one := range list {
		at := slices.IndexFunc(kept, func(k file) bool { return k.split == one.split && equal(f.Path(k.name), f.Path(one.name)) })
		if at < 0 {
			kept = append(kept, one)
			continue
		}
		copies = append(copies, one.name+" is "+kept[at].name)
		files = slices.DeleteFunc(slices.Clone(files), called(one.name))
	}
	return files, copies
}

// equal compares two files; those of different sizes are not opened.
func equal(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	if errX != nil || errY != nil || x.Size() != y.Size() {
		return false
	}
	f, errX := os.Open(a)
	if errX != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	g, errY := os.Open(b)
	if errY != nil {
		return false
	}
	defer func() { _ = g.Close() }()
	one, other := make([]byte, compareBytes), make([]byte, compareBytes)
	for {
		n, errX := io.ReadFull(f, one)
		m, errY := io.ReadFull(g, other)
		if n != m || !bytes.Equal(one[:n], other[:m]) {
			return false
		}
		if errX != nil || errY != nil {
			return errors.Is(errX, errY)
		}
	}
}

const compareBytes = 64 << 10

// maxResultStart is how much of a file is looked at to tell results.
const maxResultStart = 4 << 10

// isResults tells what a model found, in COCO's format for results: a list of boxes
// with scores. They lie beside annotations and are none.
func isResults(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	start := make([]byte, maxResultStart)
	n, _ := io.ReadFull(f, start)
	start = bytes.TrimLeft(bytes.TrimPrefix(start[:n], []byte("\xef\xbb\xbf")), " \t\r\n")
	return bytes.HasPrefix(start, []byte("[")) && bytes.Contains(start, []byte(`"image_id"`)) && bytes.Contains(start, []byte(`"score"`))
}
