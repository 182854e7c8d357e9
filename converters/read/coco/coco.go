package coco

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
	"github.com/vision-platform/trainer-agent/converters/read/platform"
)

// maxCOCOFiles bounds the JSON files that are looked into.
const maxCOCOFiles = 64

// Recognise takes annotations/*.json and {split}/*.json files that have
// images and annotations. Where there are instances_*, captions_* and
// person_keypoints_*, the ones that fit the task count.
func Recognise(f *layout.Folder) (*layout.Layout, error) {
	var found []string
	for _, name := range f.Names() {
		if strings.HasSuffix(strings.ToLower(name), ".json") && strings.Count(name, "/") <= 1 && len(found) < maxCOCOFiles && looksLikeCOCO(f.Path(name)) {
			found = append(found, name)
		}
	}
	if found = fitting(found, f.Task); len(found) == 0 {
		return nil, nil
	}
	return &layout.Layout{Name: "coco", Annotations: f.Path(found[0]), Read: func(problems *problem.List) (*dataset.Catalog, error) {
		return read(f, found, problems)
	}}, nil
}

// fitting are the files for the task, where the names say what they are for.
func fitting(files []string, task contract.TaskType) []string {
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasPrefix(path.Base(name), "captions") })
	prefixes := []string{"instances"}
	if task == contract.TaskPoseEstimation {
		prefixes = []string{"person_keypoints", "keypoints", "instances"}
	}
	for _, prefix := range prefixes {
		fits := func(name string) bool { return strings.HasPrefix(path.Base(name), prefix) }
		if slices.ContainsFunc(files, fits) {
			return slices.DeleteFunc(files, func(name string) bool { return !fits(name) })
		}
	}
	return files
}

// looksLikeCOCO looks for the keys of COCO in the first and last kilobytes.
func looksLikeCOCO(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	const look = 64 << 10
	head, err := io.ReadAll(io.LimitReader(f, look))
	if err != nil || !bytes.HasPrefix(bytes.TrimLeft(head, "\xef\xbb\xbf \t\r\n"), []byte("{")) {
		return false
	}
	tail := make([]byte, look)
	if info, err := f.Stat(); err == nil {
		n, _ := f.ReadAt(tail, max(0, info.Size()-look))
		tail = tail[:n]
	}
	keys := 0
	for _, key := range []string{`"images"`, `"annotations"`, `"categories"`} {
		if bytes.Contains(head, []byte(key)) || bytes.Contains(tail, []byte(key)) {
			keys++
		}
	}
	return keys >= 2
}

// read reads one file, or one for each split, into one catalog.
func read(f *layout.Folder, files []string, problems *problem.List) (*dataset.Catalog, error) {
	var all *dataset.Catalog
	known := make(map[string]bool) // image ids of the files before
	for _, file := range files {
		c, err := platform.ReadFile(f.Path(file), f.Task, problems)
		if err != nil {
			return nil, err
		}
		split := cmp.Or(layout.SplitOf(strings.TrimSuffix(path.Base(file), path.Ext(file))), layout.SplitOf(path.Dir(file)))
		dir := imageFolder(f, c, file)
		prefix := unlike(c, known, "", string(split), file)
		for i := range c.Images {
			im := &c.Images[i]
			im.File = path.Join(dir, im.File)
			im.Split = cmp.Or(split, im.Split)
			im.ID = prefix + im.ID
			known[im.ID] = true
		}
		if all == nil {
			all = c
			continue
		}
		join(all, c, file, problems)
	}
	layout.Settle(all, problems)
	all.Arrange()
	return all, nil
}

// unlike picks the first prefix under which no image id is known yet: files of
// splits often count their images anew.
func unlike(c *dataset.Catalog, known map[string]bool, prefixes ...string) string {
	for _, prefix := range prefixes {
		if prefix != "" {
			prefix += "/"
		}
		if !slices.ContainsFunc(c.Images, func(im dataset.Image) bool { return known[prefix+im.ID] }) {
			return prefix
		}
	}
	return prefixes[len(prefixes)-1] + "/"
}

// imageFolder is the folder in which most of the file's images are.
func imageFolder(f *layout.Folder, c *dataset.Catalog, file string) string {
	dirs := []string{path.Dir(file), "images", "."}
	stem := strings.TrimSuffix(path.Base(file), path.Ext(file))
	if _, rest, ok := strings.Cut(stem, "_"); ok { // instances_train2017
		dirs = append(dirs, rest, "images/"+rest)
	}
	for _, word := range layout.Words(layout.SplitOf(stem)) {
		dirs = append(dirs, word, "images/"+word)
	}
	slices.Sort(dirs[3:])
	best, bestHits := ".", 0
	for _, dir := range dirs {
		hits := 0
		for _, im := range c.Images {
			if f.Has(path.Join(dir, im.File)) {
				hits++
			}
		}
		if hits > bestHits {
			best, bestHits = dir, hits
		}
	}
	return best
}

// join appends the images and objects of c to all; the classes must be the same.
func join(all, c *dataset.Catalog, file string, problems *problem.List) {
	same := slices.EqualFunc(all.Classes, c.Classes, func(a, b dataset.Class) bool {
		return bytes.Equal(a.ID, b.ID) && a.Name == b.Name
	})
	if !same {
		text, _ := json.Marshal(len(c.Classes))
		problems.Add(problem.CategoriesDiffer, 0, "%s has %s, the first file %d, or with other names", file, text, len(all.Classes))
		return
	}
	known := make(map[string]bool, len(all.Images))
	for _, im := range all.Images {
		known[im.File] = true
	}
	first := int32(len(all.Images))
	for i, im := range c.Images {
		if known[im.File] {
			problems.Add(problem.ImageInTwoSplits, i, "%q", im.File)
		}
		all.Images = append(all.Images, im)
	}
	for i := range c.Objects.Len() {
		o := *c.Objects.At(i)
		o.Image += first
		all.Objects.Append(o)
	}
}
