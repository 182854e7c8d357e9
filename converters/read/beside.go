package read

import (
	"encoding/json"
	"path"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
	"github.com/vision-platform/trainer-agent/converters/read/lists"
)

// Following lets a dataset in Platform Format follow lists of the split beside it, for
// images of which it says none: a COCO file called annotations.json is read as one. A
// split_config counts before them. The tree is asked for when the annotations were read.
func Following(l *layout.Layout, tree func() (*images.Tree, error), task contract.TaskType) *layout.Layout {
	out := *l
	out.Read = func(problems *problem.List) (*dataset.Catalog, error) {
		c, err := l.Read(problems)
		if err != nil || c.Split != nil {
			return c, err
		}
		t, err := tree()
		if err != nil {
			return nil, err
		}
		if !lists.Beside(t, lists.Own{JSON: true}) {
			return c, nil
		}
		f := layout.Open(t, task)
		err = followByFile(f, c, problems)
		f.ReportText(problems)
		return c, err
	}
	return &out
}

// followByFile calls the images as they are called on disk while lists are followed:
// the Platform Format's names begin below images/.
func followByFile(f *layout.Folder, c *dataset.Catalog, problems *problem.List) error {
	names := make([]string, len(c.Images))
	for i, im := range c.Images {
		names[i] = im.File
	}
	match := f.Named(c.ImageRoot, names)
	spelled := make(map[string]string, len(names)) // by id
	for i := range c.Images {
		im := &c.Images[i]
		if found := match.File(i); found != "" {
			spelled[im.ID], im.File = im.File, found
		}
	}
	err := lists.Follow(f, c, lists.Own{JSON: true}, problems)
	for i := range c.Images {
		im := &c.Images[i]
		if name := spelled[im.ID]; name != "" {
			im.File = name
		}
	}
	return err
}

// Files of names of classes are small and lie at the top, or one folder down.
const (
	maxNameFiles = 32
	maxNameBytes = 1 << 20
)

// unreadNames names the JSON files that say another name for most classes, such as
// cat_to_name.json beside folders that are called 1 to 102.
func unreadNames(f *layout.Folder, c *dataset.Catalog, problems *problem.List) {
	looked := 0
	for _, file := range f.Names() {
		if !strings.EqualFold(path.Ext(file), ".json") || strings.Count(file, "/") > 1 || looked == maxNameFiles {
			continue
		}
		looked++
		var names map[string]any
		if text, err := f.ReadText(file, maxNameBytes); err != nil || json.Unmarshal([]byte(text), &names) != nil {
			continue
		}
		said := 0
		for _, class := range c.Classes {
			if name, is := names[class.Name].(string); is && name != class.Name {
				said++
			}
		}
		if said > 0 && 2*said >= len(c.Classes) {
			problems.Add(problem.ClassNamesUnread, looked, "%s", file)
		}
	}
}
