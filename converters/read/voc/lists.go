package voc

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

const maxListBytes = 256 << 20

// lister reads the lists of images that name their splits.
type lister struct {
	f        *layout.Folder
	problems *problem.List
	lists    map[string]contract.Split // by stem; nil without lists
}

// Lists reads train.txt, val.txt, test.txt and trainval.txt of the first of the
// folders that has some: the split of each image, by its stem. Trainval counts where
// there is neither of the first two. Lists of one class (cat_train.txt) say the same
// again. It is nil without lists.
func Lists(f *layout.Folder, problems *problem.List, folders ...string) (map[string]contract.Split, error) {
	r := &lister{f: f, problems: problems}
	err := r.readLists(folders)
	return r.lists, err
}

func (r *lister) readLists(where []string) error {
	for _, suffix := range where {
		folders := make(map[string]map[string]string)
		for _, name := range r.f.WithSuffix(".txt") {
			if dir := path.Dir(name); dir == suffix || strings.HasSuffix(dir, "/"+suffix) {
				if folders[dir] == nil {
					folders[dir] = make(map[string]string)
				}
				folders[dir][strings.ToLower(stem(name))] = name
			}
		}
		for _, dir := range slices.Sorted(maps.Keys(folders)) {
			if err := r.readFolder(folders[dir]); err != nil {
				return err
			}
		}
		if r.lists != nil {
			return nil
		}
	}
	return nil
}

// readFolder reads the lists of one ImageSets: a VOCdevkit has one for each year.
func (r *lister) readFolder(lists map[string]string) error {
	if lists["train"] != "" || lists["val"] != "" {
		delete(lists, "trainval")
	}
	for _, l := range []struct {
		name  string
		split contract.Split
	}{{"trainval", ""}, {"train", contract.SplitTrain}, {"val", contract.SplitVal}, {"test", contract.SplitTest}, {"default", ""}} {
		if err := r.readList(lists[l.name], l.split); err != nil {
			return err
		}
	}
	return nil
}

func (r *lister) readList(name string, split contract.Split) error {
	if name == "" {
		return nil
	}
	content, err := r.f.ReadText(name, maxListBytes)
	if err != nil {
		return err
	}
	for line := range strings.Lines(content) {
		fields := strings.Fields(layout.Slashed(line))
		if len(fields) == 0 {
			continue
		}
		id := path.Base(fields[0])
		if images.IsImage(id) {
			id = stem(id)
		}
		if r.lists == nil {
			r.lists = make(map[string]contract.Split)
		}
		if before, twice := r.lists[id]; twice && before != split && before != "" {
			r.problems.Add(problem.ImageInTwoSplits, len(r.lists), "%s in %s and %s", id, before, split)
			continue
		}
		r.lists[id] = split
	}
	return nil
}
