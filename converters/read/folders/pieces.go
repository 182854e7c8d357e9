package folders

import (
	"slices"
	"strings"
	"unicode"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// pieceWords are what people call the parts of a set, which they number.
var pieceWords = map[string]bool{"fold": true, "folds": true, "kfold": true, "part": true, "batch": true, "chunk": true, "shard": true}

// pieces refuses folders that are parts of one set, and no classes: their names
// differ only by numbers, and are called parts and hold the same folders
// (fold1/cat, fold2/cat), or say that images are in them (images_part_1,
// images_part_2). Any other name with a number may be a class (c0 to c9).
func pieces(f *layout.Folder, n *node) error {
	if len(n.children) < 2 || n.images > 0 || len(n.splits()) > 0 {
		return nil
	}
	names := make([]string, len(n.children))
	for i, c := range n.children {
		names[i] = c.path + "/"
		if numberless(c.name) != numberless(n.children[0].name) {
			return nil
		}
	}
	list := strings.Join(names[:min(len(names), maxNamed)], ", ")
	switch {
	case says(n.children[0].name, func(word string) bool { return pieceWords[word] }) && sameFolders(n.children):
		return contract.Failf(contract.CodeDatasetInvalid, "%d folders differ only by a number and hold the same folders, so they are parts of one dataset and no classes: %s.", len(names), list).
			WithHint("Say which are for training: put their images together below train/ and val/, in a folder for each class.")
	case says(n.children[0].name, layout.HoldsImages):
		beside := ""
		if tables := f.Tables(); len(tables) > 0 {
			beside = " Beside them is " + strings.Join(tables, ", ") + ", which may say the classes, but its columns are not clear, or its images are not here."
		}
		return contract.Failf(contract.CodeDatasetInvalid, "%d folders are parts of one set of images and no classes: %s.%s", len(names), list, beside).
			WithHint("Move every image into a folder that is called as its class: {split}/{class}/image.")
	}
	return nil
}

// maxNamed bounds the folders that a message names.
const maxNamed = 5

// numberless is a name without its digits; a name of digits alone is itself, for
// classes may be numbers.
func numberless(name string) string {
	rest := strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
	if strings.IndexFunc(rest, unicode.IsLetter) < 0 {
		return name
	}
	return rest
}

// says reports whether a word of a name is one of some.
func says(name string, is func(word string) bool) bool {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) })
	return slices.ContainsFunc(words, is)
}

// variants refuses classes that all hold the same folders, which are no numbered
// parts: color/{healthy,rust} beside gray/{healthy,rust} is one dataset in two
// versions, and its classes are most likely the inner folders.
func variants(parts []part) error {
	of := make(map[contract.Split][]*node)
	for _, p := range parts {
		of[p.split] = append(of[p.split], p.node)
	}
	for _, s := range append(slices.Clone(contract.Splits), "") {
		nodes := of[s]
		if len(nodes) < 2 || !sameFolders(nodes) || numbered(classFolders(nodes[0])) {
			continue
		}
		return contract.Failf(contract.CodeDatasetInvalid, "%s/, %s/ and the like all hold the same folders (%s), so whether the outer or the inner ones are the classes is not known.",
			nodes[0].path, nodes[1].path, some(classFolders(nodes[0]))).
			WithHint("Keep one level: put every image right into the folder of its class, or upload only one of the outer folders.")
	}
	return nil
}

func some(names []string) string {
	if len(names) > maxNamed {
		return strings.Join(names[:maxNamed], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// numbered reports names that differ only by a number, or are numbers.
func numbered(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		return strings.IndexFunc(name, unicode.IsLetter) >= 0 && numberless(name) != numberless(names[0])
	})
}

// sameFolders reports whether every folder has the same folders in it, two or more
// that can be classes.
func sameFolders(nodes []*node) bool {
	first := classFolders(nodes[0])
	if len(first) < 2 {
		return false
	}
	return !slices.ContainsFunc(nodes[1:], func(n *node) bool { return !slices.Equal(classFolders(n), first) })
}

func classFolders(n *node) []string {
	var list []string
	for _, c := range n.classes() {
		list = append(list, strings.ToLower(c.name))
	}
	slices.Sort(list)
	return list
}
