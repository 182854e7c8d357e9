package source

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
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
	root  string // absolute, links resolved
	files map[string]string
	seen  map[string]bool // folders behind links, by real path: a loop ends here
	// Escapes are links that lead out of the folder.
	escapes []string
}

// ReadTree walks the folder. The value of files is the real path of what is
// behind a link, and empty for a file that is where its name says.
func ReadTree(root string) (*Tree, error) {
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, fmt.Errorf("reading the dataset's folder: %w", err)
	}
	if real, err = filepath.Abs(real); err != nil {
		return nil, fmt.Errorf("reading the dataset's folder: %w", err)
	}
	t := &Tree{root: real, files: make(map[string]string), seen: make(map[string]bool)}
	if err := t.walk(real, "", "", 0); err != nil {
		return nil, err
	}
	return t, nil
}

// walk reads one folder. Through is set below a link: files there have another
// real path than their name.
func (t *Tree) walk(dir, name, through string, level int) error {
	if level > maxLevels {
		return contract.Failf(contract.CodeDatasetInvalid, "The dataset's folders are nested more than %d levels deep at %s.", maxLevels, name)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("reading a folder of the dataset: %w", err)
	}
	for _, e := range entries {
		child := path.Join(name, e.Name())
		real := filepath.Join(dir, e.Name())
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			err = t.follow(real, child, level)
		case e.IsDir():
			err = t.walk(real, child, through, level+1)
		case e.Type().IsRegular():
			t.files[child] = ""
			if through != "" {
				t.files[child] = real
			}
		}
		if err != nil {
			return err
		}
		if len(t.files) > maxFiles {
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
		return nil
	}
	if real != t.root && !strings.HasPrefix(real, t.root+string(filepath.Separator)) {
		t.escapes = append(t.escapes, name)
		return nil
	}
	if info.Mode().IsRegular() {
		t.files[name] = real
		return nil
	}
	if !info.IsDir() || t.seen[real] {
		return nil
	}
	t.seen[real] = true
	return t.walk(real, name, real, level+1)
}

// Has reports whether there is a file of this name, relative to the folder.
func (t *Tree) Has(name string) bool { _, ok := t.files[name]; return ok }

// Names are all files, sorted.
func (t *Tree) Names() []string { return slices.Sorted(maps.Keys(t.files)) }

// Path is the absolute path of a listed file.
func (t *Tree) Path(name string) string {
	if real := t.files[name]; real != "" {
		return real
	}
	return filepath.Join(t.root, filepath.FromSlash(name))
}
