package yolo

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// maxConfigBytes bounds data.yaml and a label file, maxListBytes an image list,
// maxPathBytes a path in either (PATH_MAX of Linux).
const (
	maxConfigBytes = 16 << 20
	maxListBytes   = 1 << 30
	maxPathBytes   = 4096
)

type reader struct {
	*layout.Folder
	config   yoloConfig
	problems *problem.List
	c        *dataset.Catalog
	highest  int // class number in a label
	labelled int
	numbers  dataset.Slab[float64]
}

func (r *reader) read() (*dataset.Catalog, error) {
	split := make(map[string]contract.Split)
	for _, part := range []struct {
		split contract.Split
		value any
	}{{contract.SplitTrain, r.config.Train}, {contract.SplitVal, r.config.Val}, {contract.SplitTest, r.config.Test}} {
		list, err := r.images(part.value)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 && part.value != nil {
			r.problems.Add(problem.NoImagesThere, slices.Index(contract.Splits, part.split), "%s: %v", part.split, part.value)
		}
		for _, name := range list {
			if before, twice := split[name]; twice {
				if before != part.split {
					r.problems.Add(problem.ImageInTwoSplits, len(r.c.Images), "%q", name)
				}
				continue
			}
			split[name] = part.split
			r.c.Images = append(r.c.Images, dataset.Image{ID: name, File: name, Label: dataset.NoLabel, Split: part.split})
		}
	}
	if len(r.c.Images) == 0 {
		return nil, contract.Failf(contract.CodeDatasetInvalid, "No image of the dataset is where data.yaml says.").
			WithHint("train and val are folders or lists relative to path, which is relative to data.yaml.")
	}
	if err := r.labels(); err != nil {
		return nil, err
	}
	r.classes()
	r.c.Flip = r.config.FlipIdx
	layout.Settle(r.c, r.problems)
	r.c.Arrange()
	return r.c, nil
}

// images are the files of one entry of data.yaml: a folder, a list file, or
// several of them.
func (r *reader) images(value any) ([]string, error) {
	var out []string
	switch v := value.(type) {
	case nil:
	case string:
		return r.entry(v)
	case []any:
		for _, one := range v {
			list, err := r.images(one)
			if err != nil {
				return nil, err
			}
			out = append(out, list...)
		}
	}
	return out, nil
}

// entry resolves one folder or list. Paths of another machine are common in
// data.yaml: leading parts are dropped until something is there.
func (r *reader) entry(value string) ([]string, error) {
	for _, candidate := range []string{path.Join(r.config.Path, value), value} {
		for name := range tails(candidate) {
			if r.Has(name) && strings.EqualFold(path.Ext(name), ".txt") {
				return r.list(name)
			}
			if list := r.Below(name); len(list) > 0 {
				return slices.DeleteFunc(slices.Clone(list), func(n string) bool { return !images.IsImage(n) }), nil
			}
		}
	}
	return nil, nil
}

// list reads a file of image paths.
func (r *reader) list(name string) ([]string, error) {
	info, err := os.Stat(r.Path(name))
	if err != nil {
		return nil, fmt.Errorf("reading an image list: %w", err)
	}
	if info.Size() > maxListBytes {
		return nil, contract.Failf(contract.CodeDatasetTooLarge, "The image list %s has %d bytes.", name, info.Size())
	}
	text, err := os.ReadFile(r.Path(name))
	if err != nil {
		return nil, fmt.Errorf("reading an image list: %w", err)
	}
	var out []string
	for i, line := range strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if found := r.resolve(line, path.Dir(name)); found != "" {
			out = append(out, found)
		} else {
			r.problems.Add(problem.ListedImageMissing, i, "%s:%d %q", name, i+1, line)
		}
	}
	return out, nil
}

func (r *reader) resolve(line, dir string) string {
	if name := path.Join(dir, line); strings.HasPrefix(line, "./") && r.Has(name) {
		return name
	}
	for name := range tails(line) {
		if r.Has(name) {
			return name
		}
	}
	return ""
}

// tails are a path, and what is left of it when its leading parts are dropped
// one by one.
func tails(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if len(name) > maxPathBytes {
			return
		}
		name = strings.Trim(path.Clean("/"+name), "/")
		for more := true; more && yield(name); {
			_, name, more = strings.Cut(name, "/")
		}
	}
}

// classes names the classes; numbers beyond nc were reported as bad rows.
func (r *reader) classes() {
	names := map[int]string{}
	switch v := r.config.Names.(type) {
	case []any:
		for i, name := range v {
			names[i] = className(name)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 {
				r.problems.Add(problem.BadClassNumber, 0, "%q", key)
				continue
			}
			names[i] = className(v[key])
		}
	default:
		for i, name := range r.classFile() {
			names[i] = name
		}
	}
	n := max(r.config.NC, r.highest+1)
	for i := range names {
		n = max(n, i+1)
	}
	for i := range min(n, 1<<20) {
		name := names[i]
		if name == "" {
			name = fmt.Sprint("class ", i)
			r.problems.Add(problem.ClassWithoutName, i, "%d", i)
		}
		r.c.Classes = append(r.c.Classes, dataset.Class{ID: json.RawMessage(strconv.Itoa(i)), Name: name})
	}
}

// className is a name as text; empty for null.
func className(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// classFile reads the names that labelling tools leave beside the labels.
func (r *reader) classFile() []string {
	for _, name := range []string{"classes.txt", "labels/classes.txt", "obj.names"} {
		if !r.Has(name) {
			continue
		}
		text, err := os.ReadFile(r.Path(name))
		if err != nil || len(text) > maxConfigBytes {
			continue
		}
		return strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")), "\n")
	}
	return nil
}
