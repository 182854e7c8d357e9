package images

import "github.com/vision-platform/trainer-agent/converters/dataset"

// Listed is a tree of names that may not be on disk yet.
func Listed(names []string) *Tree {
	t := &Tree{names: names}
	t.number()
	return t
}

// Named finds the files that annotations name, by the rules that a conversion will
// find them by. imageRoot is what the annotations' storage_info says.
func (t *Tree) Named(imageRoot string, names []string) *Match {
	return t.Match(usualBases(&dataset.Catalog{ImageRoot: imageRoot}), names)
}
