package layout

import (
	"slices"
	"strings"
	"unicode"

	"github.com/vision-platform/trainer-agent/contract"
)

// splitWords are the words by which people and tools name a split.
var splitWords = map[string]contract.Split{
	"train": contract.SplitTrain, "training": contract.SplitTrain, "trn": contract.SplitTrain,
	"val": contract.SplitVal, "valid": contract.SplitVal, "validation": contract.SplitVal, "minival": contract.SplitVal,
	"dev": contract.SplitVal, "eval": contract.SplitVal, "evaluation": contract.SplitVal,
	"test": contract.SplitTest, "testing": contract.SplitTest, "tst": contract.SplitTest,
}

// fillers say nothing beside the word of a split: training_set, train_images.
var fillers = map[string]bool{
	"set": true, "sets": true, "split": true, "splits": true, "data": true, "dataset": true,
	"image": true, "images": true, "img": true, "imgs": true, "folder": true, "dir": true,
}

// imageWords are folder names that say that images are in them.
var imageWords = map[string]bool{
	"images": true, "image": true, "imgs": true, "img": true, "jpegimages": true, "jpgs": true, "jpegs": true, "pngs": true,
}

// notClasses are folder names that say what kind of files are in them, and never
// which class an image is of.
var notClasses = map[string]bool{
	"labels": true, "annotations": true, "masks": true,
	"segmentationclass": true, "segmentationobject": true, "imagesets": true, "thumbnails": true, "thumbs": true,
}

// SplitOf is the split in a name like instances_train2017, Validation or seg_test,
// in any case; empty when there is none, or more than one.
func SplitOf(name string) contract.Split {
	s, _ := splitAndRest(name)
	return s
}

// OnlySplit is the split of a name that says nothing else: Train, training_set,
// val2017, but not test_tube.
func OnlySplit(name string) contract.Split {
	if s, rest := splitAndRest(name); rest == "" {
		return s
	}
	return ""
}

// EvalTests reports whether, of folders or files with these names, those of
// evaluation are for testing: another is of validation and none of testing, as in
// train, dev and eval.
func EvalTests(names []string) bool {
	var eval, val, test bool
	for _, name := range names {
		switch s := SplitOf(name); {
		case s == contract.SplitTest:
			test = true
		case s == contract.SplitVal && evaluates(name):
			eval = true
		case s == contract.SplitVal:
			val = true
		}
	}
	return eval && val && !test
}

// SplitAmong is a split with a name of it, where evaluation may be for testing.
func SplitAmong(s contract.Split, name string, evalTests bool) contract.Split {
	if evalTests && s == contract.SplitVal && evaluates(name) {
		return contract.SplitTest
	}
	return s
}

func evaluates(name string) bool {
	return slices.ContainsFunc(words(name), func(word string) bool { return word == "eval" || word == "evaluation" })
}

// listWords are what a list of images is called beside its split, in one word with
// it: trainlist01.txt.
var listWords = []string{"list", "files", "file", "images", "imgs", "ids", "names", "set"}

// SplitOfList is the split of a list of images by its name. Both is for one of
// training and validation together.
func SplitOfList(stem string) (s contract.Split, both bool) {
	if s = SplitOf(stem); s != "" {
		return s, false
	}
	for _, word := range words(stem) {
		if word == "trainval" {
			return "", true
		}
		for _, tail := range listWords {
			if s := splitWords[strings.TrimSuffix(word, tail)]; s != "" {
				return s, false
			}
		}
	}
	return "", false
}

// Beside is what a name says beside its split: "seg" of seg_train.
func Beside(name string) string {
	_, rest := splitAndRest(name)
	return rest
}

// IsNoClass reports whether a folder of this name is no class: it names a kind of
// files, or a split.
func IsNoClass(name string) bool {
	return notClasses[strings.ToLower(name)] || HoldsImages(name) || OnlySplit(name) != ""
}

// HoldsLabels reports a folder of what is said of images: masks, annotations.
func HoldsLabels(name string) bool { return notClasses[strings.ToLower(name)] }

// HoldsImages reports whether a folder of this name says that images are in it.
func HoldsImages(name string) bool { return imageWords[strings.ToLower(name)] }

func splitAndRest(name string) (split contract.Split, rest string) {
	var others []string
	for _, word := range words(name) {
		s, ok := splitWords[word]
		switch {
		case ok && split != "" && s != split:
			return "", ""
		case ok:
			split = s
		case !fillers[word]:
			others = append(others, word)
		}
	}
	return split, strings.Join(others, " ")
}

// words are the parts of a name, in lower case: at everything that is no letter,
// and where a small letter is followed by a large one.
func words(name string) []string {
	var out []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			out = append(out, strings.ToLower(string(word)))
		}
		word = word[:0]
	}
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) {
			end()
			continue
		}
		if unicode.IsUpper(r) && len(word) > 0 && unicode.IsLower(word[len(word)-1]) {
			end()
		}
		word = append(word, r)
	}
	end()
	return out
}
