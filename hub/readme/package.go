package readme

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/archive"
)

// Bytes that are read of each file.
const (
	maxCapabilities = 1 << 20
	maxReadme       = 64 << 10
)

// Contents are what a package says of itself.
type Contents struct {
	Capabilities contract.Capabilities `json:"capabilities"`
	Readme       []Node                `json:"readme" doc:"README.md as a tree; empty where there is none."`
}

// Read reads a package, which was proven: a zip with its files at the top, or in one folder. Of a
// README that is too long the beginning is rendered, and that it is.
func Read(file string) (c Contents, err error) {
	c.Readme = []Node{}
	in, closer, err := archive.Open(file)
	if err != nil {
		return c, fmt.Errorf("opening a package: %w", err)
	}
	defer func() { _ = closer.Close() }()
	document := outermost(in.File, "capabilities.json")
	if document == nil {
		return c, errors.New("there is no capabilities.json in the package")
	}
	text, _, err := read(document, maxCapabilities)
	if err == nil {
		err = json.Unmarshal(text, &c.Capabilities)
	}
	if err != nil {
		return c, fmt.Errorf("reading capabilities.json: %w", err)
	}
	own := beside(document, in.File, "README.md")
	if own == nil {
		return c, nil
	}
	text, cut, err := read(own, maxReadme)
	if err != nil {
		return c, fmt.Errorf("reading README.md: %w", err)
	}
	c.Readme = append(c.Readme, Render(text)...)
	if cut {
		c.Readme = append(c.Readme, Node{Tag: "p", Kids: []Node{{Tag: "em", Kids: []Node{{Text: fmt.Sprintf("Only the first %d KiB are shown; README.md in the package has the rest.", maxReadme>>10)}}}}})
	}
	return c, nil
}

// beside finds the file of a name in the folder of another: a README of a folder below is not the
// package's.
func beside(document *zip.File, files []*zip.File, name string) *zip.File {
	want := path.Join(path.Dir(document.Name), name)
	i := slices.IndexFunc(files, func(f *zip.File) bool { return f.Mode().IsRegular() && path.Clean(f.Name) == want })
	if i < 0 {
		return nil
	}
	return files[i]
}

// outermost finds the file of a name that is at most one folder deep.
func outermost(files []*zip.File, name string) (found *zip.File) {
	for _, file := range files {
		depth := strings.Count(file.Name, "/")
		if path.Base(file.Name) == name && depth <= 1 && file.Mode().IsRegular() && !archive.Junk(file.Name) && (found == nil || depth < strings.Count(found.Name, "/")) {
			found = file
		}
	}
	return found
}

// read reads the first bytes of a file; cut says that it has more.
func read(file *zip.File, limit int64) (text []byte, cut bool, err error) {
	in, err := file.Open()
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = in.Close() }()
	text, err = io.ReadAll(io.LimitReader(in, limit+1))
	if int64(len(text)) > limit {
		return text[:limit], true, err
	}
	return text, false, err
}
