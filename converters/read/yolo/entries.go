package yolo

import (
	"iter"
	"path"
	"strings"

	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// maxLabelBytes bounds a label file and the list of class names, maxListBytes a
// list of images, maxPathBytes a path (PATH_MAX of Linux).
const (
	maxLabelBytes = 16 << 20
	maxListBytes  = 1 << 30
	maxPathBytes  = 4096
)

// images are the files of one entry: of its folders and lists. Lost are those of
// them that lead to no image.
func (r *reader) images(e *entry) (out, lost []string, err error) {
	for _, value := range e.values {
		list, err := r.value(value)
		if err != nil {
			return nil, nil, err
		}
		if len(list) == 0 {
			lost = append(lost, value)
		}
		out = append(out, list...)
	}
	return out, lost, nil
}

// value resolves one folder or list. Paths of another machine are common in
// data.yaml: leading parts are dropped until something is there.
func (r *reader) value(value string) ([]string, error) {
	for _, candidate := range []string{path.Join(r.config.path, value), value, path.Join(slashed(r.config.path), slashed(value)), slashed(value)} {
		for name := range tails(candidate) {
			if r.Has(name) && !images.IsImage(name) {
				return r.list(name)
			}
			if list := imagesBelow(r.Folder, name); len(list) > 0 {
				return list, nil
			}
		}
	}
	return nil, nil
}

func imagesBelow(f *layout.Folder, dir string) []string {
	var list []string
	for _, name := range f.Below(dir) {
		if images.IsImage(name) {
			list = append(list, name)
		}
	}
	return list
}

// slashed is a path of Windows as one with slashes, without its drive.
func slashed(name string) string {
	if images.HasDrive(name) {
		name = name[2:]
	}
	return strings.ReplaceAll(name, `\`, "/")
}

// list reads a file of image paths.
func (r *reader) list(name string) ([]string, error) {
	text, err := r.ReadText(name, maxListBytes)
	if err != nil {
		return nil, err
	}
	var out []string
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if found := resolve(r.Folder, line, path.Dir(name)); found != "" {
			out = append(out, found)
		} else {
			r.problems.Add(problem.ListedImageMissing, n, "%s:%d %q", name, n, line)
		}
	}
	return out, nil
}

// resolve finds the file of a line of a list: below the list's own folder where it
// says so, else by as much of its end as is there.
func resolve(f *layout.Folder, line, dir string) string {
	if name := path.Join(dir, line); strings.HasPrefix(line, "./") && f.Has(name) {
		return name
	}
	for _, candidate := range []string{line, slashed(line)} {
		for name := range tails(candidate) {
			if f.Has(name) {
				return name
			}
			if below := path.Join(dir, name); dir != "." && f.Has(below) {
				return below
			}
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
