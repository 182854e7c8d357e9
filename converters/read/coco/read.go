package coco

import (
	"bytes"
	"cmp"
	"path"
	"slices"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
	"github.com/vision-platform/trainer-agent/converters/read/platform"
)

// read reads one file, or one for each split, into one catalog.
func read(f *layout.Folder, files []file, problems *problem.List) (*dataset.Catalog, error) {
	var all *dataset.Catalog
	known := make(map[string]bool) // image ids of the files before
	for _, file := range files {
		c, err := platform.ReadFile(f.Path(file.name), f.Task, problems)
		if err != nil {
			return nil, err
		}
		locate(f, c, file, problems)
		prefix := unlike(c, known, "", string(file.split), file.name)
		for i := range c.Images {
			im := &c.Images[i]
			im.Split = cmp.Or(file.split, im.Split)
			im.ID, im.Numeric = prefix+im.ID, im.Numeric && prefix == ""
			known[im.ID] = true
		}
		if all == nil {
			all = c
			continue
		}
		if all.Objects.Len()+c.Objects.Len() > dataset.MaxObjects {
			return nil, dataset.TooMany()
		}
		join(all, c, file.name, problems)
	}
	layout.Settle(all, problems)
	all.Arrange()
	return all, nil
}

// unlike picks the first prefix under which no image id is known yet: files of
// splits often count their images anew.
func unlike(c *dataset.Catalog, known map[string]bool, prefixes ...string) string {
	for _, prefix := range prefixes {
		if prefix != "" {
			prefix += "/"
		}
		if !slices.ContainsFunc(c.Images, func(im dataset.Image) bool { return known[prefix+im.ID] }) {
			return prefix
		}
	}
	return prefixes[len(prefixes)-1] + "/"
}

// locate makes the names of the file's images names below the root of the dataset.
func locate(f *layout.Folder, c *dataset.Catalog, file file, problems *problem.List) {
	names := make([]string, len(c.Images))
	for i, im := range c.Images {
		names[i] = im.File
	}
	m := f.Match(bases(f, file), names)
	for i := range c.Images {
		im := &c.Images[i]
		found := m.File(i)
		if kind, differs := m.Differs(i); differs && found != "" {
			problems.Add(kind, i, "%q is %q", im.File, found)
		}
		switch {
		case found != "":
			im.File = found
		case im.File != "" && !path.IsAbs(im.File):
			im.File = path.Join(m.Base, im.File)
		}
	}
}

// bases are the folders below which the file's images may be: its own, the usual
// ones, and those that are called like its split.
func bases(f *layout.Folder, file file) []string {
	dir := path.Dir(file.name)
	list := []string{dir, path.Join(dir, "images"), "images", "."}
	if path.Base(dir) == "annotations" {
		list = append(list, path.Dir(dir), path.Join(path.Dir(dir), "images"))
	}
	for _, folder := range f.ImageFolders() {
		if file.split != "" && splitOfFolder(f, folder) != file.split {
			continue
		}
		for at := folder; at != "."; at = path.Dir(at) {
			if !slices.Contains(list, at) {
				list = append(list, at)
			}
		}
		if len(list) > maxBases {
			break
		}
	}
	return list
}

// maxBases bounds the folders that are tried.
const maxBases = 64

func splitOfFolder(f *layout.Folder, dir string) contract.Split {
	for ; dir != "."; dir = path.Dir(dir) {
		if s := layout.SplitOf(path.Base(dir)); s != "" {
			return layout.SplitAmong(s, path.Base(dir), f.EvalTests())
		}
	}
	return ""
}

// join appends the images and objects of c to all; the classes must be the same.
func join(all, c *dataset.Catalog, file string, problems *problem.List) {
	same := slices.EqualFunc(all.Classes, c.Classes, func(a, b dataset.Class) bool {
		return bytes.Equal(a.ID, b.ID) && a.Name == b.Name
	})
	if !same {
		problems.Add(problem.CategoriesDiffer, 0, "%s has %d, the first file %d, or with other names", file, len(c.Classes), len(all.Classes))
		return
	}
	known := make(map[string]bool, len(all.Images))
	for _, im := range all.Images {
		known[im.File] = true
	}
	first := int32(len(all.Images))
	for i, im := range c.Images {
		if im.File != "" && known[im.File] {
			problems.Add(problem.ImageInTwoSplits, i, "%q", im.File)
		}
		all.Images = append(all.Images, im)
	}
	for i := range c.Objects.Len() {
		o := *c.Objects.At(i)
		o.Image += first
		all.Objects.Append(o)
	}
}
