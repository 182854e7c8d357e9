package foreign

import (
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/catalog"
	"github.com/vision-platform/trainer-agent/converters/problem"
	"github.com/vision-platform/trainer-agent/converters/source"
)

// maxConfigBytes bounds data.yaml and a label file, maxListBytes an image list,
// maxPathBytes a path in either (PATH_MAX of Linux).
const (
	maxConfigBytes = 16 << 20
	maxListBytes   = 1 << 30
	maxPathBytes   = 4096
)

// yoloConfig is data.yaml.
type yoloConfig struct {
	Path  string `yaml:"path"`
	Train any    `yaml:"train"`
	Val   any    `yaml:"val"`
	// Validation is another name of val that Ultralytics takes.
	Validation any   `yaml:"validation"`
	Test       any   `yaml:"test"`
	Names      any   `yaml:"names"`
	NC         int   `yaml:"nc"`
	KptShape   []int `yaml:"kpt_shape"`
	FlipIdx    []int `yaml:"flip_idx"`
}

// recogniseYOLO takes a folder with a data.yaml (any name) that has train and
// val, or with images/{train,val} and labels/.
func recogniseYOLO(t *source.Tree, names []string, task contract.TaskType) *Layout {
	if task == contract.TaskImageClassification || task == contract.TaskZeroShotClassification {
		return nil
	}
	for _, name := range names {
		ext := strings.ToLower(path.Ext(name))
		if (ext != ".yaml" && ext != ".yml") || strings.Contains(name, "/") {
			continue
		}
		config, err := readConfig(t.Path(name))
		if err != nil || (config.Names == nil && config.NC == 0) || config.Train == nil {
			continue
		}
		return yoloLayout(t, names, t.Path(name), *config, task)
	}
	if len(below(names, "labels")) == 0 || len(below(names, "images")) == 0 {
		return nil
	}
	config := yoloConfig{Train: "images"}
	if len(below(names, "images/train")) > 0 {
		config.Train = "images/train"
		for _, dir := range []string{"val", "valid", "validation"} {
			if config.Val == nil && len(below(names, "images/"+dir)) > 0 {
				config.Val = "images/" + dir
			}
		}
		if len(below(names, "images/test")) > 0 {
			config.Test = "images/test"
		}
	}
	return yoloLayout(t, names, "", config, task)
}

func yoloLayout(t *source.Tree, names []string, file string, config yoloConfig, task contract.TaskType) *Layout {
	if config.Val == nil {
		config.Val = config.Validation
	}
	return &Layout{Name: "yolo", Annotations: file, read: func(problems *problem.List) (*catalog.Catalog, error) {
		r := &yoloReader{t: t, names: names, config: config, task: task, problems: problems, c: new(catalog.Catalog)}
		return r.read()
	}}
}

func readConfig(file string) (*yoloConfig, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxConfigBytes {
		return nil, fmt.Errorf("%s is too large for a configuration", file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	config := new(yoloConfig)
	return config, yaml.Unmarshal(text, config)
}

type yoloReader struct {
	t        *source.Tree
	names    []string
	config   yoloConfig
	task     contract.TaskType
	problems *problem.List
	c        *catalog.Catalog
	highest  int // class number in a label
	labelled int
	numbers  catalog.Slab[float64]
}

func (r *yoloReader) read() (*catalog.Catalog, error) {
	split := make(map[string]contract.Split)
	for _, part := range []struct {
		split contract.Split
		value any
	}{{contract.SplitTrain, r.config.Train}, {contract.SplitVal, r.config.Val}, {contract.SplitTest, r.config.Test}} {
		list, err := r.images(part.value)
		if err != nil {
			return nil, err
		}
		for _, name := range list {
			if before, twice := split[name]; twice {
				if before != part.split {
					r.problems.Add(TwoSplits, len(r.c.Images), "%q", name)
				}
				continue
			}
			split[name] = part.split
			r.c.Images = append(r.c.Images, catalog.Image{ID: name, File: name, Label: catalog.NoLabel, Split: part.split})
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
	settle(r.c, r.problems)
	r.c.Arrange()
	return r.c, nil
}

// images are the files of one entry of data.yaml: a folder, a list file, or
// several of them.
func (r *yoloReader) images(value any) ([]string, error) {
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
func (r *yoloReader) entry(value string) ([]string, error) {
	for _, candidate := range []string{path.Join(r.config.Path, value), value} {
		for name := range tails(candidate) {
			if r.t.Has(name) && strings.EqualFold(path.Ext(name), ".txt") {
				return r.list(name)
			}
			if list := below(r.names, name); len(list) > 0 {
				return slices.DeleteFunc(slices.Clone(list), func(n string) bool { return !source.IsImage(n) }), nil
			}
		}
	}
	return nil, nil
}

// list reads a file of image paths.
func (r *yoloReader) list(name string) ([]string, error) {
	info, err := os.Stat(r.t.Path(name))
	if err != nil {
		return nil, fmt.Errorf("reading an image list: %w", err)
	}
	if info.Size() > maxListBytes {
		return nil, contract.Failf(contract.CodeDatasetTooLarge, "The image list %s has %d bytes.", name, info.Size())
	}
	text, err := os.ReadFile(r.t.Path(name))
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
			r.problems.Add(BadList, i, "%s:%d %q", name, i+1, line)
		}
	}
	return out, nil
}

func (r *yoloReader) resolve(line, dir string) string {
	if name := path.Join(dir, line); strings.HasPrefix(line, "./") && r.t.Has(name) {
		return name
	}
	for name := range tails(line) {
		if r.t.Has(name) {
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
func (r *yoloReader) classes() {
	names := map[int]string{}
	switch v := r.config.Names.(type) {
	case []any:
		for i, name := range v {
			names[i] = fmt.Sprint(name)
		}
	case map[string]any:
		for key, name := range v {
			if i, err := strconv.Atoi(key); err == nil {
				names[i] = fmt.Sprint(name)
			}
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
		name, ok := names[i]
		if !ok {
			name = fmt.Sprint("class ", i)
			r.problems.Add(UnnamedClass, i, "%d", i)
		}
		r.c.Classes = append(r.c.Classes, catalog.Class{ID: json.RawMessage(strconv.Itoa(i)), Name: name})
	}
}

// classFile reads the names that labelling tools leave beside the labels.
func (r *yoloReader) classFile() []string {
	for _, name := range []string{"classes.txt", "labels/classes.txt", "obj.names"} {
		if !r.t.Has(name) {
			continue
		}
		text, err := os.ReadFile(r.t.Path(name))
		if err != nil || len(text) > maxConfigBytes {
			continue
		}
		return strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")), "\n")
	}
	return nil
}
