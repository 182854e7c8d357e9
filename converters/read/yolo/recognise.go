// Package yolo reads datasets in the layout of Ultralytics and Darknet: data.yaml
// or lists of images, and one text file of labels an image.
//
// It promises to read labels as Ultralytics' verify_image_label does, with the
// split and the names that the dataset declares, whatever the case of its keys and
// the separators of its paths; and to name what such a training would drop without
// a word. It leaves boxes and polygons as they are: package labels judges them.
package yolo

import (
	"errors"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// Recognise takes a folder with a data.yaml (of any name) that has a split, with
// lists of images (train.txt), or with images that have label files.
func Recognise(f *layout.Folder) (*layout.Layout, error) {
	if f.Classifies() {
		return nil, nil
	}
	c, unused, err := chooseConfig(f)
	if err != nil {
		return nil, err
	}
	declares := len(c.entries) > 0
	if !declares {
		if c.file == "" && configBelow(f) {
			return nil, nil // the dataset is in that folder
		}
		if c.entries, err = declared(f); err != nil || len(c.entries) == 0 {
			return nil, err
		}
		if c.file == "" {
			if c, err = namesBelow(f, c); err != nil {
				return nil, err
			}
		}
	}
	l := &layout.Layout{Name: "yolo", Read: func(problems *problem.List) (*dataset.Catalog, error) {
		for i, name := range unused {
			problems.Add(problem.YAMLNotUsed, i, "%s", name)
		}
		r := &reader{Folder: f, config: c, problems: problems, c: new(dataset.Catalog)}
		return r.read()
	}}
	if c.file != "" {
		l.Annotations, l.Declared = f.Path(c.file), declares
	}
	return l, nil
}

// chooseConfig picks the file that has splits and classes; one that has classes only
// still names them. Others with classes are not used.
func chooseConfig(f *layout.Folder) (*config, []string, error) {
	var all []*config
	for _, name := range configs(f) {
		c, err := readConfig(f, name)
		if errors.Is(err, errConfig) {
			return nil, nil, contract.Failf(contract.CodeDatasetInvalid, "%s cannot be read: %w.", name, err).
				WithHint("It needs train, val and names as Ultralytics has them; write it again with a YAML library.")
		}
		if refused(err) {
			return nil, nil, err
		}
		if err == nil && !c.empty() {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return &config{nc: -1}, nil, nil
	}
	chosen := max(0, slices.IndexFunc(all, func(c *config) bool { return len(c.entries) > 0 }))
	var unused []string
	for i, c := range all {
		if i != chosen {
			unused = append(unused, c.file)
		}
	}
	return all[chosen], unused, nil
}

// refused tells a file that is too large to read from one that is about something else.
func refused(err error) bool {
	_, is := errors.AsType[*contract.Failure](err)
	return is
}

// configBelow reports a configuration in a folder that has images.
func configBelow(f *layout.Folder) bool {
	for _, name := range f.Names() {
		ext := strings.ToLower(path.Ext(name))
		if ext != ".yaml" && ext != ".yml" || len(imagesBelow(f, path.Dir(name))) == 0 {
			continue
		}
		c, err := readConfig(f, name)
		if refused(err) || err == nil && !c.empty() && len(c.entries) > 0 {
			return true // what it is refused for is said when that folder is read
		}
	}
	return false
}

// namesBelow is the configuration with the names of one in a folder, where the
// dataset has none at the top: its labels are numbers, and names are nowhere else.
// Two that differ are not chosen from.
func namesBelow(f *layout.Folder, c *config) (*config, error) {
	var found *config
	for _, name := range f.Names() {
		if ext := strings.ToLower(path.Ext(name)); ext != ".yaml" && ext != ".yml" {
			continue
		}
		below, err := readConfig(f, name)
		if refused(err) {
			return nil, err
		}
		if err != nil || len(below.names) == 0 {
			continue
		}
		if found != nil && !maps.Equal(found.names, below.names) {
			return nil, contract.Failf(contract.CodeDatasetInvalid, "%s and %s have different names of classes.", found.file, name).
				WithHint("Keep the one of this dataset, as data.yaml at its top.")
		}
		found = below
	}
	if found == nil {
		return c, nil
	}
	found.entries = c.entries
	return found, nil
}

// declared are the splits of a dataset whose configuration has none: those of its
// lists, or of the folders of its images. Images without a split beside those of
// splits are in none.
func declared(f *layout.Folder) ([]entry, error) {
	d := darknet(f)
	found, several := listEntries(f)
	if len(d.entries) == 0 && several != nil {
		return nil, contract.Failf(contract.CodeDatasetInvalid, "There are several lists of the same split, in different folders: %s.", strings.Join(several, ", ")).
			WithHint("Keep one list for each split: train.txt and val.txt at the top of the dataset.")
	}
	if lists := d.orEntries(found); len(lists) > 0 {
		return lists, nil
	}
	dirs := labelledFolders(f)
	if len(dirs) == 0 {
		return nil, nil
	}
	entries := []entry{}
	evalTests := layout.EvalTests(dirs)
	for _, dir := range dirs {
		split := layout.SplitAmong(splitOfPath(dir), dir, evalTests)
		at := slices.IndexFunc(entries, func(e entry) bool { return e.split == split })
		if at < 0 {
			at = len(entries)
			entries = append(entries, entry{key: string(split), split: split})
		}
		entries[at].values = append(entries[at].values, dir)
	}
	has := func(s contract.Split) bool {
		return slices.ContainsFunc(entries, func(e entry) bool { return e.split == s })
	}
	if has(contract.SplitTrain) || has(contract.SplitVal) {
		return slices.DeleteFunc(entries, func(e entry) bool { return e.split == "" }), nil
	}
	return entries, nil
}

// splitOfPath is the split that a folder of a path names.
func splitOfPath(dir string) contract.Split {
	for _, of := range []func(string) contract.Split{layout.OnlySplit, layout.SplitOf} {
		for _, part := range strings.Split(dir, "/") {
			if s := of(part); s != "" {
				return s
			}
		}
	}
	return ""
}

// listEntries are Darknet's lists of images: train.txt, val.txt, test.txt, at the
// top or one folder down. The ones at the top count first; several are lists of one
// split in different folders, such as fold0/train.txt and fold1/train.txt.
func listEntries(f *layout.Folder) (entries []entry, several []string) {
	others := make(map[contract.Split]string)
	lists := imageLists(f)
	evalTests := layout.EvalTests(lists)
	for _, name := range lists {
		split := layout.SplitAmong(layout.OnlySplit(stem(name)), path.Base(name), evalTests)
		at := slices.IndexFunc(entries, func(e entry) bool { return e.split == split })
		switch {
		case at < 0:
			entries = append(entries, entry{name, split, []string{name}})
		case path.Dir(name) == "." && path.Dir(entries[at].key) != ".":
			entries[at] = entry{name, split, []string{name}}
			others[split] = ""
		case path.Dir(name) != path.Dir(entries[at].key) && path.Dir(entries[at].key) != ".":
			others[split] = name
		}
	}
	for _, e := range entries {
		if other := others[e.split]; other != "" {
			several = append(several, e.key, other)
		}
	}
	return entries, several
}

// imageLists are the texts that are called as a split and list images.
func imageLists(f *layout.Folder) []string {
	var list []string
	for _, name := range f.Names() {
		if strings.EqualFold(path.Ext(name), ".txt") && strings.Count(name, "/") <= 1 && layout.OnlySplit(stem(name)) != "" && listsImages(f, name) {
			list = append(list, name)
		}
	}
	return list
}

func stem(name string) string { return strings.TrimSuffix(path.Base(name), path.Ext(name)) }

// listsImages looks at the first line with something on it.
func listsImages(f *layout.Folder, name string) bool {
	text, err := f.ReadText(name, maxListBytes)
	if err != nil {
		return false
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			return images.IsImage(line) && hasLabel(f, resolve(f, line, path.Dir(name)))
		}
	}
	return false
}

func hasLabel(f *layout.Folder, image string) bool {
	if image == "" {
		return false
	}
	name, _, _ := labelOf(f, image)
	return name != ""
}

// labelledFolders are the folders of images with labels: those of images/ where
// there is a labels/, and those that have an image whose label file reads as one.
func labelledFolders(f *layout.Folder) []string {
	pair := len(f.Below("images")) > 0 && slices.ContainsFunc(f.Below("labels"), func(name string) bool { return path.Ext(name) == ".txt" })
	var dirs []string
	for _, dir := range f.ImageFolders() {
		if pair && (dir == "images" || strings.HasPrefix(dir, "images/")) || Labelled(f, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// Labelled reports whether a folder has an image with a label file that reads as
// one of YOLO. It looks at one: a text beside an image may be a caption.
func Labelled(f *layout.Folder, dir string) bool {
	for _, name := range f.Below(dir) {
		if path.Dir(name) != dir || !images.IsImage(name) {
			continue
		}
		label, _, _ := labelOf(f, name)
		if label == "" {
			continue
		}
		text, err := f.ReadText(label, maxLabelBytes)
		if err != nil {
			return false
		}
		if reads, some := readsAsLabel(text); some {
			return reads
		}
	}
	return false
}
