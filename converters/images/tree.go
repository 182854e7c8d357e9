package images

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// maxFiles and maxLevels bound the walk over a dataset's folder.
const (
	maxFiles  = 10_000_000
	maxLevels = 64
)

// Tree is every file below a folder, by path with slashes. A symbolic link is
// followed only when it stays inside the folder.
type Tree struct {
	root  string            // absolute, links resolved
	names []string          // of the files, in the order of the walk
	index map[string]int32  // into names
	real  map[string]string // what is behind a link, or below one, by name
	seen  map[string]bool   // folders behind links, by real path: a loop ends here
	// Escapes are links that lead out of the folder.
	escapes []string
	empty   []string // links of images to nothing
	junk    int      // files and folders that file managers left
}

// ReadTree walks the folder.
func ReadTree(root string) (*Tree, error) {
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, fmt.Errorf("reading the dataset's folder: %w", err)
	}
	if real, err = filepath.Abs(real); err != nil {
		return nil, fmt.Errorf("reading the dataset's folder: %w", err)
	}
	t := &Tree{root: real, real: make(map[string]string), seen: make(map[string]bool)}
	if err := t.walk(real, "", false, 0); err != nil {
		return nil, err
	}
	t.number()
	return t, nil
}

func (t *Tree) number() {
	t.index = make(map[string]int32, len(t.names))
	for i, name := range t.names {
		t.index[name] = int32(i)
	}
}

// Sub is a folder of the tree as a tree of its own, without another walk.
func (t *Tree) Sub(dir string) *Tree {
	s := &Tree{root: t.root + string(filepath.Separator) + filepath.FromSlash(dir), real: make(map[string]string), junk: t.junk}
	for _, name := range t.names {
		rest, in := strings.CutPrefix(name, dir+"/")
		if !in {
			continue
		}
		s.names = append(s.names, rest)
		if real := t.real[name]; real != "" {
			s.real[rest] = real
		}
	}
	s.escapes, s.empty = below(t.escapes, dir), below(t.empty, dir)
	s.number()
	return s
}

// Subs are the folders at the top as trees of their own, in one pass over the names.
func (t *Tree) Subs() map[string]*Tree {
	subs := make(map[string]*Tree)
	of := func(name string) (*Tree, string) {
		top, rest, deeper := strings.Cut(name, "/")
		if !deeper {
			return nil, ""
		}
		s := subs[top]
		if s == nil {
			s = &Tree{root: t.root + string(filepath.Separator) + top, real: make(map[string]string), junk: t.junk}
			subs[top] = s
		}
		return s, rest
	}
	for _, name := range t.names {
		s, rest := of(name)
		if s == nil {
			continue
		}
		s.names = append(s.names, rest)
		if real := t.real[name]; real != "" {
			s.real[rest] = real
		}
	}
	for top, s := range subs {
		s.escapes, s.empty = below(t.escapes, top), below(t.empty, top)
		s.number()
	}
	return subs
}

// below are the names in a folder, relative to it.
func below(names []string, dir string) []string {
	var list []string
	for _, name := range names {
		if rest, in := strings.CutPrefix(name, dir+"/"); in {
			list = append(list, rest)
		}
	}
	return list
}

// walk reads one folder; prefix is its name with a slash. Below a link, files have
// another real path than their name.
func (t *Tree) walk(dir, prefix string, linked bool, level int) error {
	if level > maxLevels {
		return contract.Failf(contract.CodeDatasetInvalid, "The dataset's folders are nested more than %d levels deep at %s.", maxLevels, prefix)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("reading a folder of the dataset: %w", err)
	}
	for _, e := range entries {
		if Junk(e.Name()) {
			t.junk++
			continue
		}
		name := prefix + e.Name()
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			err = t.follow(filepath.Join(dir, e.Name()), name, level)
		case e.IsDir():
			err = t.walk(filepath.Join(dir, e.Name()), name+"/", linked, level+1)
		case e.Type().IsRegular():
			t.names = append(t.names, name)
			if linked {
				t.real[name] = filepath.Join(dir, e.Name())
			}
		}
		if err != nil {
			return err
		}
		if len(t.names) > maxFiles {
			return contract.Failf(contract.CodeDatasetTooLarge, "The dataset has more than %d files.", maxFiles)
		}
	}
	return nil
}

// behind resolves a link. A link to nothing or to itself is as good as no file.
func behind(link string) (string, fs.FileInfo) {
	real, err := filepath.EvalSymlinks(link)
	if err != nil {
		return "", nil
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", nil
	}
	return real, info
}

func (t *Tree) follow(link, name string, level int) error {
	real, info := behind(link)
	if info == nil {
		if IsImage(name) {
			t.empty = append(t.empty, name)
		}
		return nil
	}
	if real != t.root && !strings.HasPrefix(real, t.root+string(filepath.Separator)) {
		t.escapes = append(t.escapes, name)
		return nil
	}
	if info.Mode().IsRegular() {
		t.names = append(t.names, name)
		t.real[name] = real
		return nil
	}
	if !info.IsDir() || t.seen[real] {
		return nil
	}
	t.seen[real] = true
	return t.walk(real, name+"/", true, level+1)
}

// Root is the folder, absolute.
func (t *Tree) Root() string { return t.root }

// Has reports whether there is a file of this name, relative to the folder.
func (t *Tree) Has(name string) bool { _, ok := t.index[name]; return ok }

// Any reports whether a file of the folder is one of these.
func (t *Tree) Any(is func(name string) bool) bool { return slices.ContainsFunc(t.names, is) }

// Names are all files, sorted.
func (t *Tree) Names() []string { return slices.Sorted(slices.Values(t.names)) }

// Path is the absolute path of a listed file.
func (t *Tree) Path(name string) string {
	if real := t.real[name]; real != "" {
		return real
	}
	return t.root + string(filepath.Separator) + filepath.FromSlash(name)
}
