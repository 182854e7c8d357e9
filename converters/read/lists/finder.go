package lists

import (
	"path"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// finder finds the image that a line of a list means: by its name, with or without
// the suffix, and by as many folders in front as both have in common. A name alone
// must be the only one.
type finder struct {
	each   func(yield func(image string))
	byName map[string][]string // by the last part of the path
	byTwo  map[string][]string // by the last two: many classes have a 0001.jpg
}

// newFinder finds images among some, which are listed when the first is looked for.
func newFinder(each func(yield func(image string))) *finder { return &finder{each: each} }

// find is the image, or says that several fit.
func (f *finder) find(text string) (image string, several bool) {
	name := strings.Trim(path.Clean(layout.Slashed(strings.TrimSpace(text))), "/")
	if name == "" || name == "." || len(name) > maxPathBytes {
		return "", false
	}
	name = fold(name)
	dir := path.Dir(name)
	deepest := -1
	for _, one := range f.candidates(name) {
		n := commonTail(path.Dir(fold(one)), dir)
		if n < deepest {
			continue
		}
		several = n == deepest
		image, deepest = one, n
	}
	if several {
		return "", true
	}
	return image, false
}

// maxPathBytes bounds a path in a file (PATH_MAX of Linux).
const maxPathBytes = 4096

// candidates are the images of a name and the folder in front of it; without the
// suffix where the name has none of an image, or none has it.
func (f *finder) candidates(name string) []string {
	index, key := &f.byName, path.Base(name)
	if dir := path.Dir(name); dir != "." {
		index, key = &f.byTwo, path.Base(dir)+"/"+key
	}
	if *index == nil {
		*index = f.index(index == &f.byTwo)
	}
	if found := (*index)[key]; len(found) > 0 || !images.IsImage(key) {
		return found
	}
	return (*index)[strings.TrimSuffix(key, path.Ext(key))]
}

// index lists every image by its last part, or its last two, with and without suffix.
func (f *finder) index(two bool) map[string][]string {
	index := make(map[string][]string)
	f.each(func(image string) {
		name := fold(image)
		key := path.Base(name)
		if two {
			key = path.Base(path.Dir(name)) + "/" + key
		}
		index[key] = append(index[key], image)
		if bare := strings.TrimSuffix(key, path.Ext(key)); bare != key {
			index[bare] = append(index[bare], image)
		}
	})
	return index
}

func fold(name string) string { return strings.ToLower(norm.NFC.String(name)) }

// commonTail counts the folders that two paths have in common at their end.
func commonTail(a, b string) int {
	n := 0
	for a != "." && b != "." && path.Base(a) == path.Base(b) {
		n++
		a, b = path.Dir(a), path.Dir(b)
	}
	return n
}
