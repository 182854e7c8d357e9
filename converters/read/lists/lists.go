// Package lists follows the split that files beside a dataset say: lists of images
// (meta/train.txt), tables, JSON, or a number for each image.
//
// It promises that a file counts by its content, lines that lead to images of the
// dataset, and that one which may say a split and is not understood is named. A split
// of the layout itself counts before it; what that leaves open, lists decide.
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

// Own is what a layout reads itself, and is not looked into for lists: YOLO's texts, or
// JSON, of which files that are called as a split of images still are.
type Own struct{ Texts, JSON bool }

// Follow gives images the split that lists say, if the layout has given them none.
// Where it has given some images one, only lists of validation say more: train/ beside
// test/ leaves that open. Lists that contradict a split of the layout are not followed,
// and named.
func Follow(f *layout.Folder, c *dataset.Catalog, own Own, problems *problem.List) error {
	votes := collect(f, c.Images, own, problems)
	if len(votes) == 0 {
		return nil
	}
	splits, given := make(map[string]contract.Split, len(c.Images)), false
	for _, im := range c.Images {
		splits[im.File] = im.Split
		given = given || im.Split != ""
	}
	wrong := contradictions(splits, votes, problems)
	votes = slices.DeleteFunc(votes, func(v vote) bool { return wrong[v.list] || splits[v.image] != "" })
	validates := slices.ContainsFunc(votes, func(v vote) bool { return v.split == contract.SplitVal })
	if len(votes) == 0 || given && !validates {
		return nil
	}
	votes, err := one(votes)
	if err != nil {
		return err
	}
	apply(c, votes, problems)
	problems.Drop(problem.NoValidationSplit) // said of what was open until now
	layout.Settle(c, problems)
	return nil
}

// Beside reports whether a file lies here that Follow would look into.
func Beside(t *images.Tree, own Own) bool {
	return t.Any(func(name string) bool { _, may := kindOf(name, own); return may })
}

// apply leaves out what is in no list, of the images that the layout has given no
// split. Where none is of images for training, what is in no list is for training.
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
			if im.Split != "" {
				return true
			}
			if !listed {
				problems.Add(problem.ImageInNoList, left, "%s", im.File)
				left++
			}
			return listed
		})
	}
	for i := range c.Images {
		im := &c.Images[i]
		if im.Split != "" {
			continue
		}
		var listed bool
		if im.Split, listed = splits[im.File]; !listed {
			im.Split = contract.SplitTrain
		}
	}
}

// contradictions names the lists that say another split than the layout.
func contradictions(splits map[string]contract.Split, votes []vote, problems *problem.List) (named map[string]bool) {
	named = make(map[string]bool)
	for _, v := range votes {
		if is := splits[v.image]; is != v.split && is != "" && !named[v.list] && (v.split != "" || is == contract.SplitTest) {
			named[v.list] = true
			problems.Add(problem.SplitListUnused, len(named), "%s: %s is in %s", v.list, v.image, is)
		}
	}
	return named
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
func collect(f *layout.Folder, list []dataset.Image, own Own, problems *problem.List) []vote {
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
	told := problems.Count(problem.ListedImageMissing) > 0 // of tables, by their reader
	looked, tables := 0, 0
	for _, name := range f.Names() {
		k, may := kindOf(name, own)
		if !may {
			continue
		}
		count := &looked
		if k.bare {
			count = &tables
		}
		if *count++; *count > maxListFiles {
			if !k.bare {
				problems.Add(problem.SplitListUnread, *count, "%s: more than %d files are called as a split", name, maxListFiles)
			}
			continue
		}
		l := &listFile{Folder: f, name: name, used: used, others: others}
		votes = append(votes, l.said(k, looked+tables, told, problems)...)
	}
	return votes
}

// said is what a file says. One that may say a split and is not understood, or a part
// of it, is named.
func (l *listFile) said(k kind, order int, told bool, problems *problem.List) []vote {
	if k.read == nil {
		problems.Add(problem.SplitListUnread, order, "%s", l.name)
		return nil
	}
	k.read(l)
	switch {
	case l.lost > len(l.votes):
		problems.Add(problem.SplitListUnread, order, "%s", l.name)
		return nil
	case l.unread != "":
		problems.Add(problem.SplitListUnread, order, "%s: %s", l.name, l.unread)
	}
	if k.json && len(l.votes) < 2 {
		return nil // what is beside an image and about it
	}
	if l.lost > 0 && (!k.table || !told) {
		problems.AddN(problem.ListedImageMissing, l.lost, order, "%s: %q", l.name, l.first)
	}
	return l.votes
}

// binaryLists are the suffixes of lists that are not read.
var binaryLists = map[string]bool{".mat": true, ".npy": true, ".npz": true, ".pkl": true, ".pickle": true, ".pt": true, ".h5": true, ".parquet": true}

var listSuffixes = map[string]bool{".txt": true, ".lst": true, ".csv": true, ".tsv": true, ".json": true}

// kind is how a file is read that may be a list.
type kind struct {
	read              func(*listFile) // nil where it cannot be read
	json, table, bare bool            // bare is a table that is not called as a split
}

// kindOf tells by its name whether a file may be a list.
func kindOf(name string, own Own) (k kind, may bool) {
	ext := strings.ToLower(path.Ext(name))
	if !listSuffixes[ext] && !binaryLists[ext] || strings.Count(name, "/") > maxListLevels {
		return kind{}, false
	}
	stem := strings.TrimSuffix(strings.ToLower(path.Base(name)), ext)
	split, both := layout.SplitOfList(stem)
	named := split != "" || both
	switch {
	case own.Texts && (ext == ".txt" || ext == ".lst"):
		return kind{}, false
	case ext == ".txt" && strings.Contains(stem, "train") && strings.Contains(stem, "test") && strings.Contains(stem, "split"):
		return kind{read: (*listFile).numbered}, true
	case (ext == ".txt" || ext == ".lst") && named:
		return kind{read: (*listFile).lines}, true
	case ext == ".csv" || ext == ".tsv":
		return kind{read: (*listFile).table, table: true, bare: !named}, true
	case ext == ".json" && own.JSON && strings.Contains(stem, "split"):
		return kind{read: (*listFile).jsonButAnnotations, json: true}, true
	case ext == ".json" && !own.JSON && (named || strings.Contains(stem, "split")):
		return kind{read: (*listFile).json, json: true}, true
	case binaryLists[ext] && (named || strings.Contains(stem, "split") || strings.Contains(stem, "setid")):
		return kind{}, true
	}
	return kind{}, false
}
