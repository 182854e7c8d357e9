package folders

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// Recognise takes {split}/{class}/…/image, or {class}/…/image without
// splits. The class is the first folder, as in torchvision.
func Recognise(f *layout.Folder) (*layout.Layout, error) {
	if !f.Classifies() {
		return nil, nil
	}
	var c dataset.Catalog
	folders := make(map[string]int)
	for _, withSplits := range []bool{true, false} {
		c.Images = nil
		for _, name := range f.Names() {
			parts := strings.Split(name, "/")
			if !images.IsImage(name) || strings.HasPrefix(path.Base(name), ".") || hidden(parts) {
				continue
			}
			split, at := contract.Split(""), 0
			if withSplits {
				if split = layout.OnlySplit(parts[0]); split == "" {
					continue
				}
				at = 1
			}
			if len(parts) < at+2 {
				continue
			}
			folders[parts[at]] = 0
			c.Images = append(c.Images, dataset.Image{ID: name, File: name, Split: split})
		}
		if len(c.Images) > 0 {
			return &layout.Layout{Name: "imagefolder", Read: func(problems *problem.List) (*dataset.Catalog, error) {
				return folderCatalog(&c, folders, withSplits, problems), nil
			}}, nil
		}
	}
	return nil, nil
}

func hidden(parts []string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(p, ".") || p == "__MACOSX" })
}

// folderCatalog numbers the classes by code point over all splits.
func folderCatalog(c *dataset.Catalog, folders map[string]int, withSplits bool, problems *problem.List) *dataset.Catalog {
	list := make([]string, 0, len(folders))
	for folder := range folders {
		list = append(list, folder)
	}
	slices.Sort(list)
	for i, folder := range list {
		folders[folder] = i
		c.Classes = append(c.Classes, dataset.Class{ID: json.RawMessage(fmt.Sprint(i)), Name: folder})
	}
	at := 0
	if withSplits {
		at = 1
	}
	for i := range c.Images {
		c.Images[i].Label = int32(folders[strings.Split(c.Images[i].File, "/")[at]])
	}
	layout.Settle(c, problems)
	c.Arrange()
	return c
}
