package folders

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// classNames are the classes by code point, over all splits. Folders that differ
// in their Unicode form are one class: macOS decomposes names.
func classNames(parts []part) []string {
	var list []string
	for _, p := range parts {
		list = append(list, norm.NFC.String(p.class))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func read(f *layout.Folder, parts []part, problems *problem.List) *dataset.Catalog {
	c := new(dataset.Catalog)
	names := classNames(parts)
	for i, name := range names {
		c.Classes = append(c.Classes, dataset.Class{ID: json.RawMessage(fmt.Sprint(i)), Name: name})
	}
	for i, p := range parts {
		name := norm.NFC.String(p.class)
		if name != p.class {
			problems.Add(problem.UnicodeForm, i, "the folder %s/", p.path)
		}
		label, _ := slices.BinarySearch(names, name)
		for _, file := range f.Below(p.path) {
			if images.IsImage(file) && !strings.HasPrefix(path.Base(file), ".") && !hidden(path.Dir(file)) {
				c.Images = append(c.Images, dataset.Image{ID: file, File: file, Split: p.split, Label: int32(label)})
			}
		}
	}
	slices.SortFunc(c.Images, func(a, b dataset.Image) int { return strings.Compare(a.File, b.File) })
	layout.Settle(c, problems)
	c.Arrange()
	return c
}
