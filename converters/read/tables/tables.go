// Package tables reads classification datasets whose classes stand in a table: CSV
// of Roboflow (_classes.csv), of Open Images, and of the form that competitions
// publish, with a column of images and one of classes.
//
// It promises to read a table only where its columns are clear and its images are
// found, one file for each, and to leave every other table to the message that the
// dataset is refused with. It leaves tables of boxes alone.
package tables

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

const (
	maxTables     = 64
	maxTableBytes = 1 << 30
)

// Recognise takes the tables at the top or one folder down that say the classes of
// images which are there. The error is for a table that would be read, but for its
// images: more than one file fits a name.
func Recognise(f *layout.Folder) (*layout.Layout, error) {
	if !f.Classifies() {
		return nil, nil
	}
	names := candidates(f)
	if len(names) == 0 {
		return nil, nil
	}
	pairs := layout.NewPairs(f)
	var found, said []*table
	for _, name := range names {
		t, err := open(f, name)
		if err != nil || t == nil {
			continue
		}
		clear, err := t.understand(pairs)
		switch {
		case err != nil:
			return nil, err
		case clear && t.saidByFolders():
			said = append(said, t)
		case clear:
			found = append(found, t)
		}
	}
	l := &layout.Layout{Name: "csv"}
	var unused []*table
	if needed(f, said, found) { // beside folders that say a part of it
		l.Declared = true
		found, unused = ofSplits(append(said, found...))
	}
	if len(found) == 0 {
		return nil, nil
	}
	l.Annotations = f.Path(found[0].name)
	l.Read = func(problems *problem.List) (*dataset.Catalog, error) {
		for i, t := range unused {
			problems.Add(problem.TableUnused, i, "%s", t.name)
		}
		return read(f, found, problems)
	}
	return l, nil
}

// needed reports whether tables that say the classes of the folders say more: the
// split of their images, or, together with others, the classes of more images.
func needed(f *layout.Folder, said, others []*table) bool {
	return slices.ContainsFunc(said, func(t *table) bool {
		return t.addsSplit(f) || t.ofSplit() && slices.ContainsFunc(others, (*table).ofSplit)
	})
}

// ofSplits are the tables that say which split their images are in, and the others.
func ofSplits(tables []*table) (with, without []*table) {
	for _, t := range tables {
		if t.ofSplit() {
			with = append(with, t)
		} else {
			without = append(without, t)
		}
	}
	slices.SortFunc(with, func(a, b *table) int { return strings.Compare(a.name, b.name) })
	return with, without
}

// ofSplit reports whether a table has a column of splits, or is called as one.
func (t *table) ofSplit() bool { return t.split >= 0 || t.named() != "" }

// named is the split that the table is called as.
func (t *table) named() contract.Split {
	return layout.SplitOf(strings.TrimSuffix(path.Base(t.name), path.Ext(t.name)))
}

// addsSplit reports whether a table says the split of images that are in the folder
// of none.
func (t *table) addsSplit(f *layout.Folder) bool {
	for i, r := range t.rows {
		if image := t.images[i]; image != "" && f.SplitOfPath(image) == "" && t.splitOf(f, r, image) != "" {
			return true
		}
	}
	return false
}

// saidByFolders reports whether every image is in a folder that is called as its
// class: then the folders are read, and the table says the same.
func (t *table) saidByFolders() bool {
	for i, r := range t.rows {
		classes := t.classes(r)
		if t.images[i] == "" || len(classes) == 0 {
			continue
		}
		if !slices.Contains(strings.Split(path.Dir(t.images[i]), "/"), classes[0]) {
			return false
		}
	}
	return true
}

// candidates are the tables, but for the ones to hand in.
func candidates(f *layout.Folder) []string {
	var list []string
	for _, name := range f.Names() {
		base := strings.ToLower(path.Base(name))
		if ext := path.Ext(base); (ext == ".csv" || ext == ".tsv") && strings.Count(name, "/") <= 1 && !strings.Contains(base, "submission") {
			list = append(list, name)
		}
	}
	return list[:min(len(list), maxTables)]
}

func read(f *layout.Folder, tables []*table, problems *problem.List) (*dataset.Catalog, error) {
	out := layout.NewCollector()
	names := descriptions(f)
	var declared []string
	for k, t := range tables {
		for _, class := range t.declared() {
			if !slices.Contains(declared, class) {
				declared = append(declared, class)
			}
		}
		for i, r := range t.rows {
			image := t.images[i]
			if image == "" {
				problems.Add(problem.ListedImageMissing, k*len(t.rows)+i, "%s:%d %q", t.name, i+t.first, t.cell(r, t.image))
				continue
			}
			split := t.splitOf(f, r, image)
			at := out.Image(image, 0, 0, split)
			if before := out.At(at).Split; before != split {
				problems.Add(problem.ImageInTwoSplits, int(at), "%s in %s and %s", image, before, split)
			}
			for _, class := range t.classes(r) {
				if name := names[class]; name != "" {
					class = name
				}
				out.Label(at, class)
			}
		}
	}
	if len(declared) == 0 {
		var err error
		if declared, err = f.ClassList("classes.txt", "labels.txt"); err != nil {
			return nil, err
		}
	}
	return out.Catalog(declared, problems), nil
}

// splitOf is the split of a row: of its own column, else of the table's name, its
// folder's, or the image's folders.
func (t *table) splitOf(f *layout.Folder, r []string, image string) contract.Split {
	if t.split >= 0 {
		return layout.OnlySplit(t.cell(r, t.split))
	}
	return cmp.Or(t.named(), f.SplitOfPath(t.name), f.SplitOfPath(image))
}

// descriptions are the names of Open Images' classes (/m/0k4j is Car), of files
// called class-descriptions: two columns, with a header or without.
func descriptions(f *layout.Folder) map[string]string {
	names := make(map[string]string)
	for _, name := range f.Names() {
		if !strings.Contains(strings.ToLower(path.Base(name)), "class-descriptions") {
			continue
		}
		rows, err := parse(f, name)
		if err != nil {
			continue
		}
		for _, r := range rows {
			if len(r) >= 2 && strings.HasPrefix(r[0], "/") {
				names[r[0]] = strings.TrimSpace(r[1])
			}
		}
	}
	return names
}
