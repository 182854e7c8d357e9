// Package lists follows the split that files beside a dataset say: lists of images
// (meta/train.txt), tables, JSON, or a number for each image.
//
// It promises that a file counts by its content, lines that lead to images of the
// dataset, and that one which may say a split and is not understood is named. A split
// of the layout itself counts before it.
package lists

import (
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// vote is what a list says of one image. Without a split it is for training or
// validation, which is not said.
type vote struct {
	image string
	split contract.Split
	list  string // the file
}

// Follow gives images the split that lists say, if the layout has given them none.
// Lists that contradict a split of the layout are not followed, and named. JSON is
// read where the layout has none of its own.
func Follow(f *layout.Folder, c *dataset.Catalog, json bool, problems *problem.List) error {
	votes := collect(f, c.Images, json, problems)
	if len(votes) == 0 {
		return nil
	}
	if slices.ContainsFunc(c.Images, func(im dataset.Image) bool { return im.Split != "" }) {
		contradictions(c.Images, votes, problems)
		return nil
	}
	votes, err := one(votes)
	if err != nil {
		return err
	}
	apply(c, votes, problems)
	layout.Settle(c, problems)
	return nil
}

// apply leaves out what is in no list. Where none is of images for training, what is
// in no list is for training.
func apply(c *dataset.Catalog, votes []vote, problems *problem.List) {
	splits := make(map[string]contract.Split, len(votes))
	lists := make(map[string]bool)
	trains := false
	for i, v := range votes {
		if before, twice := splits[v.image]; twice && before != v.split {
			problems.Add(problem.ImageInTwoSplits, i, "%s in %s and %s", v.image, before, v.split)
			continue
		}
		splits[v.image] = v.split
		trains = trains || v.split == contract.SplitTrain || v.split == ""
		if !lists[v.list] {
			lists[v.list] = true
			problems.Add(problem.SplitOfLists, len(lists), "%s", v.list)
		}
	}
	if trains {
		left := 0
		c.KeepImages(func(im *dataset.Image) bool {
			_, listed := splits[im.File]
			if !listed {
				problems.Add(problem.ImageInNoList, left, "%s", im.File)
				left++
			}
			return listed
		})
	}
	for i := range c.Images {
		im := &c.Images[i]
		var listed bool
		if im.Split, listed = splits[im.File]; !listed {
			im.Split = contract.SplitTrain
		}
	}
}

func contradictions(list []dataset.Image, votes []vote, problems *problem.List) {
	splits := make(map[string]contract.Split, len(list))
	for _, im := range list {
		splits[im.File] = im.Split
	}
	named := make(map[string]bool)
	for _, v := range votes {
		if is := splits[v.image]; is != v.split && is != "" && !named[v.list] && (v.split != "" || is == contract.SplitTest) {
			named[v.list] = true
			problems.Add(problem.SplitListUnused, len(named), "%s: %s is in %s", v.list, v.image, is)
		}
	}
}

// one refuses several lists of the same split, unless they say the same. A list of
// training and validation together says nothing beside those of each.
func one(votes []vote) ([]vote, error) {
	type key struct {
		split contract.Split
		list  string
	}
	of := make(map[key]map[string]bool)
	var keys []key
	for _, v := range votes {
		k := key{v.split, v.list}
		if of[k] == nil {
			of[k] = make(map[string]bool)
			keys = append(keys, k)
		}
		of[k][v.image] = true
	}
	chosen := make(map[contract.Split]key)
	for _, k := range keys {
		first, known := chosen[k.split]
		if !known {
			chosen[k.split] = k
			continue
		}
		if !sameSet(of[first], of[k]) {
			return nil, contract.Failf(contract.CodeDatasetInvalid, "There are several lists of the same split, with different images: %s and %s.", first.list, k.list).
				WithHint("Keep one list for each split, for example train.txt and val.txt.")
		}
	}
	_, train := chosen[contract.SplitTrain]
	_, val := chosen[contract.SplitVal]
	return slices.DeleteFunc(votes, func(v vote) bool {
		return chosen[v.split].list != v.list || v.split == "" && (train || val)
	}), nil
}

func sameSet(a, b map[string]bool) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if !b[k] {
			return false
		}
	}
	return true
}

const (
	maxListFiles  = 100
	maxListLevels = 3
)

// collect reads every file of the dataset that may be a list.
func collect(f *layout.Folder, list []dataset.Image, json bool, problems *problem.List) []vote {
	var votes []vote
	used := newFinder(func(yield func(string)) {
		for _, im := range list {
			yield(im.File)
		}
	})
	others := newFinder(func(yield func(string)) {
		for _, name := range f.Names() {
			if images.IsImage(name) {
				yield(name)
			}
		}
	})
	looked, unread := 0, 0
	for _, name := range f.Names() {
		isJSON := strings.EqualFold(path.Ext(name), ".json")
		if strings.Count(name, "/") > maxListLevels || looked >= maxListFiles || isJSON && !json {
			continue
		}
		read, may := listKind(name)
		if !may {
			continue
		}
		looked++
		var said []vote
		sure := read == nil
		if read != nil {
			l := &listFile{Folder: f, name: name, used: used, others: others}
			read(l)
			said = l.votes
			sure = l.lost > len(said)
			if isJSON && len(said) < 2 {
				said = nil // what is beside an image and about it
			}
		}
		if sure { // it may say a split, and what it says is not known
			problems.Add(problem.SplitListUnread, unread, "%s", name)
			unread++
			continue
		}
		votes = append(votes, said...)
	}
	return votes
}

// binaryLists are the suffixes of lists that are not read.
var binaryLists = map[string]bool{".mat": true, ".npy": true, ".npz": true, ".pkl": true, ".pickle": true, ".pt": true, ".h5": true, ".parquet": true}

var listSuffixes = map[string]bool{".txt": true, ".lst": true, ".csv": true, ".tsv": true, ".json": true}

// listKind tells by its name how a file is read that may be a list, nil for one
// that cannot be.
func listKind(name string) (read func(*listFile), may bool) {
	ext := strings.ToLower(path.Ext(name))
	if !listSuffixes[ext] && !binaryLists[ext] {
		return nil, false
	}
	stem := strings.TrimSuffix(strings.ToLower(path.Base(name)), ext)
	split, both := layout.SplitOfList(stem)
	named := split != "" || both
	switch {
	case ext == ".txt" && strings.Contains(stem, "train") && strings.Contains(stem, "test") && strings.Contains(stem, "split"):
		return (*listFile).numbered, true
	case (ext == ".txt" || ext == ".lst") && named:
		return (*listFile).lines, true
	case ext == ".csv" || ext == ".tsv":
		return (*listFile).table, true
	case ext == ".json" && (named || strings.Contains(stem, "split")):
		return (*listFile).json, true
	case binaryLists[ext] && (named || strings.Contains(stem, "split") || strings.Contains(stem, "setid")):
		return nil, true
	}
	return nil, false
}
