package read

import (
	"fmt"

	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/platform"
)

// Need is which files of a dataset its annotations name.
type Need struct {
	Files   map[string]bool // as the dataset has them
	Missing []string        // names that no file answers to, as the annotations spell them
}

// Needed tells which of the files of a dataset, paths below its root, its
// annotations name: by the rules by which a conversion finds them, so that neither
// an existence check nor a partial fetch refuses what a conversion takes. The error
// is for annotations whose names cannot be told: then every file may be needed.
func Needed(annotations string, files []string) (*Need, error) {
	listed, err := platform.Images(annotations)
	if err != nil {
		return nil, fmt.Errorf("reading the names of images: %w", err)
	}
	if len(listed.Names) == 0 {
		return nil, fmt.Errorf("reading the names of images: none of the images has a file_name")
	}
	m := images.Listed(files).Match(images.Bases(listed.ImageRoot), listed.Names)
	n := &Need{Files: make(map[string]bool, len(listed.Names))}
	for i, name := range listed.Names {
		if file := m.File(i); file != "" {
			n.Files[file] = true
		} else {
			n.Missing = append(n.Missing, name)
		}
	}
	return n, nil
}
