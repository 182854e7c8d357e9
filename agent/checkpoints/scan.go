package checkpoints

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Bounds of one look at OUTPUT_DIR.
const (
	maxDepth       = 32
	maxSources     = 20_000 // checkpoints; a job has tens
	maxFolderFiles = 10_000 // files of one checkpoint folder
	readBatch      = 512    // directory entries in memory at once
)

// file is one file of a source.
type file struct {
	rel     string // relative to OUTPUT_DIR, with slashes
	sub     string // relative to the source's folder; empty for a plain file
	version version
}

// source is a checkpoint as it lies on disk: one file, or one folder.
type source struct {
	identity
	rel    string
	folder bool
	files  []file
	size   int64
	state  *trainerState // of a Hugging Face checkpoint folder
}

// stamp identifies the content of a source as version does that of a file.
func (s source) stamp() string {
	var b strings.Builder
	for _, f := range s.files {
		b.WriteString(f.sub + "=" + f.version.String() + ";")
	}
	return b.String()
}

// mtime is the latest modification of the source's files, in nanoseconds.
func (s source) mtime() int64 {
	var latest int64
	for _, f := range s.files {
		latest = max(latest, f.version.mtime)
	}
	return latest
}

// view is what one look found.
type view struct {
	sources []source
	dirs    []string // every directory, for the watch
	partial bool     // a bound was met, or a directory could not be read
}

// scanner walks OUTPUT_DIR. It opens everything through os.Root, so a symbolic
// link that the child sets to a file outside is never followed: the agent may
// hold secrets that the child must not see.
type scanner struct {
	root  *os.Root
	final bool // the trainer is gone: an unfinished folder is taken as single files
	view  view
}

// scan looks at everything below dir. A file or folder that vanishes meanwhile
// is simply not in the view.
func scan(dir string, final bool) (view, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return view{}, nil
	}
	if err != nil {
		return view{}, err
	}
	defer func() { _ = root.Close() }()
	s := scanner{root: root, final: final}
	s.walk(".", 0)
	return s.view, nil
}

func (s *scanner) walk(dir string, depth int) {
	if depth > maxDepth || len(s.view.sources) >= maxSources {
		s.view.partial = true
		return
	}
	s.view.dirs = append(s.view.dirs, dir)
	listing, err := s.list(dir)
	if err != nil {
		s.view.partial = s.view.partial || !errors.Is(err, fs.ErrNotExist)
		return
	}
	if s.takeFolder(dir, listing, depth) {
		return
	}
	for _, name := range listing.models {
		s.takeFile(path.Join(dir, name))
	}
	for _, name := range listing.dirs {
		s.walk(path.Join(dir, name), depth+1)
	}
}

// listing is what matters of one directory.
type listing struct {
	dirs   []string
	models []string // files that identifyFile knows
	marks  []string // files by which a model folder is known
}

// list reads a directory in batches, so that one with a million images costs no
// memory, and asks for no file's size.
func (s *scanner) list(dir string) (listing, error) {
	d, err := s.root.Open(dir)
	if err != nil {
		return listing{}, err
	}
	defer func() { _ = d.Close() }()
	var l listing
	for {
		entries, err := d.ReadDir(readBatch)
		for _, e := range entries {
			l.add(dir, e)
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

func (l *listing) add(dir string, e fs.DirEntry) {
	name := e.Name()
	if e.IsDir() {
		if !temporary(name) {
			l.dirs = append(l.dirs, name)
		}
		return
	}
	if _, ok := identifyFile(path.Join(dir, name)); ok {
		l.models = append(l.models, name)
	}
	if folderMark(name) {
		l.marks = append(l.marks, name)
	}
}

func (s *scanner) takeFile(rel string) {
	v, ok := s.stat(rel)
	if !ok {
		return
	}
	id, _ := identifyFile(rel)
	s.view.sources = append(s.view.sources, source{
		identity: id, rel: rel, size: v.size, files: []file{{rel: rel, version: v}},
	})
}

// stat follows a link that stays below OUTPUT_DIR (Lightning's last.ckpt is one).
func (s *scanner) stat(rel string) (version, bool) {
	info, err := s.root.Stat(rel)
	if err != nil || !info.Mode().IsRegular() {
		return version{}, false
	}
	return versionOf(info), true
}
