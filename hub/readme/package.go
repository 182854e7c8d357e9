package readme

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/archive"
)

// Bytes that are read of each file; a README goes on for no longer.
const (
	maxCapabilities = 1 << 20
	maxReadme       = 256 << 10
)

// Contents are what a package says of itself.
type Contents struct {
	Capabilities contract.Capabilities `json:"capabilities"`
	Readme       []Node                `json:"readme" doc:"README.md as a tree; empty where there is none."`
}

// Read reads a package, which was proven: a zip with its files at the top, or in one folder.
func Read(file string) (c Contents, err error) {
	c.Readme = []Node{}
	in, closer, err := archive.Open(file)
	if err != nil {
		return c, fmt.Errorf("opening a package: %w", err)
	}
	defer func() { _ = closer.Close() }()
	text, err := read(in, "capabilities.json", maxCapabilities)
	if err == nil {
		err = json.Unmarshal(text, &c.Capabilities)
	}
	if err != nil {
		return c, fmt.Errorf("reading capabilities.json: %w", err)
	}
	text, err = read(in, "README.md", maxReadme)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		c.Readme = append(c.Readme, Render(text)...)
	}
	return c, err
}

// read reads one file of the package: the outermost of that name.
func read(in *zip.Reader, name string, limit int64) ([]byte, error) {
	var found *zip.File
	for _, file := range in.File {
		depth := strings.Count(file.Name, "/")
		if path.Base(file.Name) == name && depth <= 1 && !archive.Junk(file.Name) && (found == nil || depth < strings.Count(found.Name, "/")) {
			found = file
		}
	}
	if found == nil {
		return nil, fs.ErrNotExist
	}
	out, err := found.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	return io.ReadAll(io.LimitReader(out, limit))
}
