// Package layout is what the readers of the field's layouts share: the folder as
// they see it, the words that name a split, and how a split that a dataset has is
// kept.
//
// It promises that a word means the same in every layout. It leaves to each reader
// what makes a folder its layout.
package layout

import (
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
)

// Layout is a recognised dataset.
type Layout struct {
	Name        string // as convert says it: "yolo", "coco", "imagefolder", …
	Declared    bool   // a file of the dataset says that this is its layout
	Annotations string // absolute path of the file that leads to the rest; empty for folders
	// Read reads the dataset. Names of image files are relative to its root.
	Read func(*problem.List) (*dataset.Catalog, error)
}

// Folder is a dataset's folder as a reader sees it.
type Folder struct {
	*images.Tree
	Task  contract.TaskType
	names []string // sorted

	folders   func() []string
	evalTests func() bool
	texts     func() map[string]string // text files by folded name; empty where two are alike
	legacy    map[string]string        // text files that are in a code page, with it
}

// Open is the folder of a tree, for a task.
func Open(t *images.Tree, task contract.TaskType) *Folder {
	f := &Folder{Tree: t, Task: task, names: t.Names(), legacy: make(map[string]string)}
	f.folders = sync.OnceValue(f.imageFolders)
	f.evalTests = sync.OnceValue(f.evaluates)
	f.texts = sync.OnceValue(f.foldedTexts)
	return f
}

// Names are all files, sorted.
func (f *Folder) Names() []string { return f.names }

// Classifies reports whether the task is about whole images.
func (f *Folder) Classifies() bool {
	return f.Task == contract.TaskImageClassification || f.Task == contract.TaskZeroShotClassification
}

// ImageFolders are the folders that have images directly in them, sorted.
func (f *Folder) ImageFolders() []string { return f.folders() }

func (f *Folder) imageFolders() []string {
	var list []string
	last := ""
	for _, name := range f.names {
		dir := path.Dir(name)
		if dir == last || !images.IsImage(name) {
			continue
		}
		last = dir
		list = append(list, dir)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// ImageStems are the names of the images, without folder and suffix.
func (f *Folder) ImageStems() map[string]bool {
	stems := make(map[string]bool)
	for _, name := range f.names {
		if images.IsImage(name) {
			stem, _, _ := strings.Cut(path.Base(name), ".")
			stems[stem] = true
		}
	}
	return stems
}

// Text is a text file as it is spelled on disk: in another case, or another Unicode
// form, when no file has the name itself. Empty when there is none, or two.
func (f *Folder) Text(name string) string {
	if f.Has(name) {
		return name
	}
	texts := f.texts()
	if len(texts) == 0 {
		return ""
	}
	return texts[folded(name)]
}

func (f *Folder) foldedTexts() map[string]string {
	texts := make(map[string]string)
	for _, name := range f.names {
		if !strings.EqualFold(path.Ext(name), ".txt") {
			continue
		}
		key := folded(name)
		if _, twice := texts[key]; twice {
			name = ""
		}
		texts[key] = name
	}
	return texts
}

// Below are the names in a folder and its sub-folders; the empty folder is the
// root.
func (f *Folder) Below(dir string) []string {
	if dir = path.Clean(dir); dir == "." {
		return f.names
	}
	from, _ := slices.BinarySearch(f.names, dir+"/")
	to := from
	for to < len(f.names) && strings.HasPrefix(f.names[to], dir+"/") {
		to++
	}
	return f.names[from:to]
}

// Tables are the files at the top or one folder down that look like a table of
// labels: CSV and its like, and texts that are called so.
func (f *Folder) Tables() []string {
	var list []string
	for _, name := range f.names {
		base := strings.ToLower(path.Base(name))
		switch path.Ext(base) {
		case ".csv", ".tsv", ".xlsx", ".parquet", ".jsonl":
		case ".txt":
			if !strings.Contains(base, "annot") && !strings.Contains(base, "label") && !strings.Contains(base, "class") {
				continue
			}
		default:
			continue
		}
		if strings.Count(name, "/") <= 1 {
			list = append(list, name)
		}
	}
	return list[:min(len(list), maxTables)]
}

// maxTables bounds the tables that a message names.
const maxTables = 5

// VOCFiles counts the XML files, if the first of them is an annotation of Pascal
// VOC.
func (f *Folder) VOCFiles() int {
	n := 0
	for _, name := range f.names {
		if !strings.EqualFold(path.Ext(name), ".xml") {
			continue
		}
		if n++; n > 1 {
			continue
		}
		text, err := f.ReadText(name, 1<<20)
		if err != nil || !strings.Contains(text, "<annotation") || !strings.Contains(text, "<object") {
			return 0
		}
	}
	return n
}
