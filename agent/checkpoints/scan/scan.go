package scan

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
)

// Bounds of one look at OUTPUT_DIR.
const (
	maxDepth       = 32
	maxSources     = 20_000 // checkpoints; a job has tens
	maxHidden      = 8
	maxFolderFiles = 10_000 // files of one checkpoint folder
	readBatch      = 512    // directory entries in memory at once
)

// scanner walks OUTPUT_DIR. It opens everything through os.Root, so a symbolic
// link that the child sets to a file outside is never followed: the agent may
// hold secrets that the child must not see.
type scanner struct {
	root  *os.Root
	final bool // the trainer is gone: an unfinished folder is taken as single files
	view  View
}

// Look looks at everything below dir. A file or folder that vanishes meanwhile is
// simply not in the view. final says that the trainer is gone: an unfinished folder
// is then taken as single files.
func Look(dir string, final bool) (View, error) {
	root, err := OpenDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return View{}, nil
	}
	if err != nil {
		return View{}, err
	}
	defer func() { _ = root.Close() }()
	s := scanner{root: root, final: final}
	s.walk(".", 0)
	return s.view, nil
}

func (s *scanner) walk(dir string, depth int) {
	if depth > maxDepth || len(s.view.Sources) >= maxSources {
		s.view.Partial = true
		return
	}
	s.view.Dirs = append(s.view.Dirs, dir)
	listing, err := s.list(dir)
	if err != nil {
		s.view.Partial = s.view.Partial || !errors.Is(err, fs.ErrNotExist)
		return
	}
	taken := false
	s.attempt(dir, func() { taken = s.takeFolder(dir, listing, depth) })
	if taken {
		return
	}
	for _, name := range listing.models {
		rel := path.Join(dir, name)
		s.attempt(rel, func() { s.takeFile(rel) })
	}
	for _, name := range listing.hidden {
		s.hide(path.Join(dir, name))
	}
	for _, name := range listing.dirs {
		s.walk(path.Join(dir, name), depth+1)
	}
}

// hide remembers a folder that is passed over and has a model in it. Caches have none.
func (s *scanner) hide(dir string) {
	if len(s.view.Hidden) >= maxHidden {
		return
	}
	if l, err := s.list(dir); err == nil && len(l.models) > 0 {
		s.view.Hidden = append(s.view.Hidden, dir)
	}
}

// listing is what matters of one directory.
type listing struct {
	dirs   []string
	hidden []string
	models []string // files that naming.File knows
	marks  []string // files by which a model folder is known
}

// list reads a directory in batches, so that one with a million images costs no
// memory, and asks for no file's size.
func (s *scanner) list(dir string) (listing, error) {
	d, err := openFolder(s.root, dir)
	if err != nil {
		return listing{}, err
	}
	defer func() { _ = d.Close() }()
	var l listing
	for {
		entries, err := d.ReadDir(readBatch)
		for _, e := range entries {
			s.attempt(path.Join(dir, e.Name()), func() { s.note(&l, dir, e) })
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return l, err
		}
	}
	slices.Sort(l.dirs)
	slices.Sort(l.models)
	return l, nil
}

func (s *scanner) note(l *listing, dir string, e fs.DirEntry) {
	name := e.Name()
	if e.IsDir() {
		switch {
		case strings.HasPrefix(name, "."):
			l.hidden = append(l.hidden, name)
		case !naming.Temporary(name):
			l.dirs = append(l.dirs, name)
		}
		return
	}
	_, model := naming.File(path.Join(dir, name))
	mark := folderMark(name)
	if !e.Type().IsRegular() && (model || mark) {
		if _, ok := s.stat(path.Join(dir, name)); !ok {
			return // a pipe or a link to nowhere makes no model of what lies beside it
		}
	}
	if model {
		l.models = append(l.models, name)
	}
	if mark {
		l.marks = append(l.marks, name)
	}
}

func (s *scanner) takeFile(rel string) {
	v, ok := s.stat(rel)
	if !ok {
		return
	}
	id, _ := naming.File(rel)
	s.view.Sources = append(s.view.Sources, Source{
		Identity: id, Rel: rel, Size: v.Size, Files: []File{{Rel: rel, Version: v}},
	})
}

// stat follows a link that stays below OUTPUT_DIR (Lightning's last.ckpt is one).
func (s *scanner) stat(rel string) (Version, bool) {
	info, err := s.root.Stat(rel)
	if err != nil || !info.Mode().IsRegular() {
		return Version{}, false
	}
	return VersionOf(info), true
}
