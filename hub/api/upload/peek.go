package upload

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"reflect"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/archive"
)

const (
	maxCapabilities = 1 << 20
	maxEntries      = 100_000
)

// peek reads capabilities.json of a package that is a zip: at its top, or in the
// one folder that it has. Nothing is unpacked; whether the archive is safe is
// found out later.
func peek(name string) (c contract.Capabilities, err error) {
	in, file, err := archive.Open(name)
	if errors.Is(err, archive.ErrDirectory) {
		return c, err
	}
	if err != nil {
		return c, errors.New("it is no zip: zip the folder that has train.py")
	}
	defer func() { _ = file.Close() }()
	if len(in.File) > maxEntries {
		return c, fmt.Errorf("it has %d files: at most %d are taken", len(in.File), maxEntries)
	}
	found := find(in.File)
	if found == nil {
		return c, errors.New("capabilities.json is missing: it must be at the top of the zip, or in its only folder")
	}
	document, err := found.Open()
	if err != nil {
		return c, fmt.Errorf("capabilities.json cannot be read: %w", err)
	}
	defer func() { _ = document.Close() }()
	text, err := io.ReadAll(io.LimitReader(document, maxCapabilities+1))
	if err != nil {
		return c, fmt.Errorf("capabilities.json cannot be read: %w", err)
	}
	if len(text) > maxCapabilities {
		return c, fmt.Errorf("capabilities.json has more than %d bytes", maxCapabilities)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("capabilities.json is not what the contract says: %w", err)
	}
	if c.Requires != nil {
		if wrong := c.Requires.Wrong(); len(wrong) > 0 {
			return c, fmt.Errorf("capabilities.json: %s", strings.Join(wrong, "; "))
		}
	}
	return c, nil
}

// find returns the outermost capabilities.json, when it is at most one folder deep:
// the one that is unpacked and proven.
func find(files []*zip.File) (found *zip.File) {
	for _, file := range files {
		if path.Base(file.Name) != "capabilities.json" || !file.Mode().IsRegular() || archive.Junk(file.Name) {
			continue
		}
		if depth := strings.Count(file.Name, "/"); depth <= 1 && (found == nil || depth < strings.Count(found.Name, "/")) {
			found = file
		}
	}
	return found
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }
