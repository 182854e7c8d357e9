// Package read finds out how a dataset is laid out, and reads it with the reader
// of that layout.
//
// It promises to read a layout as its framework would, with the split that it has,
// to report what the framework would drop without a word, and to say what is there
// where it is no layout that is known. It leaves the writing to the writers: every
// dataset goes the same way, through a catalog, so that every check applies to it.
package read

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
	"github.com/vision-platform/trainer-agent/converters/read/platform"
)

// Platform is the Platform Format in a folder, or nil when it has no annotations
// file. Only the folder's own files are looked at.
func Platform(root string, task contract.TaskType) (*layout.Layout, error) {
	file, err := platform.Locate(root, task)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := fetched(file, filepath.Base(file)); err != nil {
		return nil, err
	}
	return PlatformFile(file, task), nil
}

// PlatformFile is the Platform Format with annotations at a path of its own.
func PlatformFile(file string, task contract.TaskType) *layout.Layout {
	return &layout.Layout{Name: "platform", Annotations: file, Read: func(problems *problem.List) (*dataset.Catalog, error) {
		return platform.ReadFile(file, task, problems)
	}}
}

// maxDown is how many folders down a dataset is looked for.
const maxDown = 3

// Below finds a dataset in a folder of the dataset: people zip the folder and not
// what is in it. Dir is where it is; the error says what is there instead.
func Below(t *images.Tree, task contract.TaskType) (dir string, l *layout.Layout, err error) {
	return below(t, task, 1)
}

func below(t *images.Tree, task contract.TaskType, level int) (dir string, l *layout.Layout, err error) {
	var found []string
	subs := t.Subs()
	folders := imageFolders(t)
	for _, name := range folders {
		if len(folders) > 1 && layout.HoldsLabels(name) {
			continue // pictures in it are labels of the images beside it
		}
		sub := subs[name]
		in, err := at(sub, task)
		deeper := ""
		if in == nil && err == nil && level < maxDown {
			if deeper, in, err = below(sub, task, level+1); in == nil {
				err = nil // said for the whole, below
			}
		}
		if err != nil {
			return "", nil, err
		}
		if in != nil {
			dir, l = path.Join(name, deeper), in
			found = append(found, fmt.Sprintf("%s/ (%s)", dir, in.Name))
		}
	}
	switch {
	case len(found) > 1:
		return "", nil, contract.Failf(contract.CodeDatasetInvalid, "%d datasets are in one: %s.", len(found), strings.Join(found, ", ")).
			WithHint("Upload them one by one, or merge them.")
	case l == nil && level == 1:
		return "", nil, unknown(layout.Open(t, task))
	}
	return dir, l, nil
}

// at reads no folder again that the tree has read.
func at(t *images.Tree, task contract.TaskType) (*layout.Layout, error) {
	if slices.ContainsFunc(t.Names(), platform.IsFile) {
		l, err := Platform(t.Root(), task)
		if err != nil {
			return nil, err
		}
		if l != nil {
			return Following(l, func() (*images.Tree, error) { return t, nil }, task), nil
		}
	}
	return Recognise(t, task)
}

// imageFolders are the folders at the top that have images below them.
func imageFolders(t *images.Tree) []string {
	var list []string
	for _, name := range t.Names() {
		top, _, deeper := strings.Cut(name, "/")
		if deeper && images.IsImage(name) && (len(list) == 0 || list[len(list)-1] != top) {
			list = append(list, top)
		}
	}
	return slices.Compact(list)
}
