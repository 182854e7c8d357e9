package layout

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
)

// Pairs finds the image that a file of annotations, or a row of a table, is about.
// The names that tools write there are of another machine, of before a renaming,
// or without a suffix.
type Pairs struct {
	f      *Folder
	byBase map[string][]string // images by folded name
	byStem map[string][]string // by folded name without its suffix
}

// NewPairs lists the images of a folder.
func NewPairs(f *Folder) *Pairs {
	p := &Pairs{f, make(map[string][]string), make(map[string][]string)}
	for _, name := range f.names {
		if images.IsImage(name) {
			base := folded(path.Base(name))
			stem := strings.TrimSuffix(base, path.Ext(base))
			p.byBase[base] = append(p.byBase[base], name)
			p.byStem[stem] = append(p.byStem[stem], name)
		}
	}
	return p
}

func folded(name string) string { return strings.ToLower(norm.NFC.String(name)) }

// Slashed is a path of Windows as one with slashes, without its drive.
func Slashed(name string) string {
	if images.HasDrive(name) {
		name = name[2:]
	}
	return strings.ReplaceAll(name, `\`, "/")
}

// Of is the image of an annotation file that calls it named: the one of the same
// name, without suffix, that is nearest; else the one that it names. More than one
// that is as near is none: others says which.
func (p *Pairs) Of(annotation, named string) (image string, others []string) {
	dir := path.Dir(annotation)
	base := folded(path.Base(annotation))
	if list := p.byStem[strings.TrimSuffix(base, path.Ext(base))]; len(list) > 0 {
		return nearest(list, dir)
	}
	return p.Named(named, dir)
}

// Only is the image of an annotation file that calls it named, if there is one and no
// other file has annotated it; else it says which problem that is, of the file in this
// place of the order, and returns "".
func (p *Pairs) Only(problems *problem.List, order int, annotation, named string, out *Collector) string {
	image, others := p.Of(annotation, named)
	switch {
	case len(others) > 1:
		problems.Add(problem.ImageUnclear, order, "%s: %s", annotation, strings.Join(others[:2], " or "))
		return ""
	case image == "":
		problems.Add(problem.LabelWithoutImage, order, "%s", annotation)
	case out.Has(image):
		problems.Add(problem.AnnotatedTwice, order, "%s for %s", annotation, image)
		return ""
	}
	return image
}

// Named is the image of a name that stands in a file of the folder dir: as a path
// from there, from the top, by its last part, or by that without a suffix.
func (p *Pairs) Named(named, dir string) (image string, others []string) {
	named = strings.TrimPrefix(path.Clean(Slashed(strings.TrimSpace(named))), "/")
	if named == "." || len(named) > maxPathBytes {
		return "", nil
	}
	for _, at := range []string{path.Join(dir, named), named} {
		if p.f.Has(at) && images.IsImage(at) {
			return at, nil
		}
	}
	for rest := named; strings.Contains(rest, "/"); {
		_, rest, _ = strings.Cut(rest, "/")
		if strings.Contains(rest, "/") && p.f.Has(rest) && images.IsImage(rest) {
			return rest, nil
		}
	}
	base := folded(path.Base(named))
	if list := p.byBase[base]; len(list) > 0 {
		return nearest(list, dir)
	}
	if images.IsImage(base) { // of another suffix: converted since
		base = strings.TrimSuffix(base, path.Ext(base))
	}
	return nearest(p.byStem[base], dir)
}

// maxPathBytes bounds a path in a file (PATH_MAX of Linux).
const maxPathBytes = 4096

// nearest is the file whose folder shares the most with dir, in front and at the
// end: Annotations/a/1.xml goes with JPEGImages/a/1.jpg.
func nearest(list []string, dir string) (string, []string) {
	list = butMasks(list)
	if len(list) == 1 {
		return list[0], nil
	}
	best, ties := -1, []string(nil)
	for _, name := range list {
		switch n := shared(path.Dir(name), dir); {
		case n > best:
			best, ties = n, []string{name}
		case n == best:
			ties = append(ties, name)
		}
	}
	if len(ties) == 1 {
		return ties[0], nil
	}
	return "", ties
}

// butMasks leaves out what lies in folders of masks and thumbnails, beside the image
// that these belong to.
func butMasks(list []string) []string {
	if len(list) < 2 {
		return list
	}
	rest := slices.DeleteFunc(slices.Clone(list), func(name string) bool {
		return slices.ContainsFunc(parts(path.Dir(name)), func(part string) bool { return notClasses[strings.ToLower(part)] })
	})
	if len(rest) == 0 {
		return list
	}
	return rest
}

func shared(a, b string) int {
	if a == b {
		return 1 << 10
	}
	x, y := parts(a), parts(b)
	front := 0
	for front < min(len(x), len(y)) && x[front] == y[front] {
		front++
	}
	x, y = x[front:], y[front:]
	end := 0
	for end < min(len(x), len(y)) && x[len(x)-1-end] == y[len(y)-1-end] {
		end++
	}
	return front + end
}

func parts(dir string) []string {
	if dir == "." {
		return nil
	}
	return strings.Split(dir, "/")
}

// SplitOfPath is the split that the folders of a file name, the innermost first.
func SplitOfPath(name string) contract.Split { return splitOfPath(name, false) }

// SplitOfPath is the same in this dataset, in which evaluation may be for testing.
func (f *Folder) SplitOfPath(name string) contract.Split {
	return splitOfPath(name, f.EvalTests())
}

func splitOfPath(name string, evalTests bool) contract.Split {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if s := OnlySplit(path.Base(dir)); s != "" {
			return SplitAmong(s, path.Base(dir), evalTests)
		}
	}
	return ""
}

// EvalTests reports whether folders of evaluation are for testing here.
func (f *Folder) EvalTests() bool { return f.evalTests() }

func (f *Folder) evaluates() bool {
	var names []string
	for _, dir := range f.ImageFolders() {
		for _, name := range strings.Split(dir, "/") {
			if OnlySplit(name) != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return EvalTests(names)
}

// WithSuffix are the files with a suffix, in any case.
func (f *Folder) WithSuffix(ext string) []string {
	return slices.DeleteFunc(slices.Clone(f.names), func(name string) bool { return !strings.EqualFold(path.Ext(name), ext) })
}
