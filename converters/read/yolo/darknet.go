package yolo

import (
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// darknetData is Darknet's obj.data, which CVAT's YOLO 1.1 has too: where the lists
// of images and the names of classes are.
type darknetData struct {
	entries []entry
	names   string // the file of class names; empty when it is not there
}

// darknet reads the *.data file at the top or one folder down. Its paths are of Darknet's folder:
// leading parts are dropped until something is there.
func darknet(f *layout.Folder) darknetData {
	var d darknetData
	for _, name := range f.Names() {
		if !strings.EqualFold(path.Ext(name), ".data") || strings.Count(name, "/") > 1 {
			continue
		}
		content, err := f.ReadText(name, maxYAMLBytes)
		if err != nil {
			continue
		}
		for line := range strings.Lines(content) {
			key, value, ok := strings.Cut(line, "=")
			key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
			at := resolve(f, value, path.Dir(name))
			if !ok || at == "" {
				continue
			}
			switch split := layout.OnlySplit(key); {
			case key == "names":
				d.names = at
			case split != "":
				d.entries = append(d.entries, entry{key, split, []string{at}})
			}
		}
		if d.names != "" || len(d.entries) > 0 {
			break
		}
	}
	return d
}

// orEntries are the lists that obj.data names, with those of the splits that it
// does not name. A list that it names is of no other split: its valid may be test.txt.
func (d darknetData) orEntries(lists []entry) []entry {
	has := func(entries []entry, s contract.Split) bool {
		for _, e := range entries {
			if e.split == s {
				return true
			}
		}
		return false
	}
	out := d.entries
	taken := func(e entry) bool {
		return slices.ContainsFunc(d.entries, func(o entry) bool { return slices.Equal(o.values, e.values) })
	}
	for _, e := range lists {
		if !has(out, e.split) && !taken(e) {
			out = append(out, e)
		}
	}
	return out
}
