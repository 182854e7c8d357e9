package yolo

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// config is data.yaml.
type config struct {
	file    string // its name; empty when there is none
	path    string
	entries []entry
	names   map[int]string // by class number, as they are written
	list    string         // names as one text, which may be the file that has them
	badKeys []string       // keys of names that are no numbers
	nc      int            // -1 when it is not said
	shape   []int          // kpt_shape
	flip    []int          // flip_idx
}

// entry is one split: the key as it is written, and its folders or lists.
type entry struct {
	key    string
	split  contract.Split
	values []string
}

// empty reports whether the configuration says nothing of classes.
func (c *config) empty() bool { return len(c.names) == 0 && c.nc < 0 }

// errConfig is for a file that is meant to be data.yaml and is broken. Any other
// YAML file of a dataset may be what it likes.
var errConfig = errors.New("it is no configuration of a dataset")

func readConfig(f *layout.Folder, name string) (*config, error) {
	text, err := configText(f, name)
	if err != nil {
		return nil, err
	}
	c, err := parseConfig([]byte(text))
	if err != nil && meantAsConfig([]byte(text)) {
		what, _, _ := strings.Cut(err.Error(), "\n") // what follows is the text around the place
		return nil, fmt.Errorf("%w: %s", errConfig, what)
	}
	if c != nil {
		c.file = name
	}
	return c, err
}

func meantAsConfig(text []byte) bool {
	lower := bytes.ToLower(text)
	return bytes.Contains(lower, []byte("train:")) && bytes.Contains(lower, []byte("names:"))
}

// parseConfig reads the keys that Ultralytics has, in any case, and those that name
// a split in other words: CVAT writes the names of its subsets.
func parseConfig(text []byte) (*config, error) {
	if err := boundedYAML(text); err != nil {
		return nil, err
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, err
	}
	c := &config{nc: -1, names: make(map[int]string)}
	if len(file.Docs) == 0 {
		return c, nil
	}
	for _, pair := range pairs(file.Docs[0].Body) {
		if err := c.take(scalar(pair.Key), pair.Value); err != nil {
			return nil, err
		}
	}
	c.settle()
	return c, nil
}

func (c *config) take(key string, value ast.Node) error {
	switch strings.ToLower(key) {
	case "path":
		c.path = scalar(value)
	case "names":
		c.takeNames(value)
	case "nc":
		n, err := strconv.Atoi(scalar(value))
		if err != nil {
			return fmt.Errorf("%s nc is %q, no number", place(value), scalar(value))
		}
		c.nc = n
	case "kpt_shape":
		c.shape = numbers(value)
	case "flip_idx":
		c.flip = numbers(value)
	default:
		if split, values := layout.SplitOf(key), scalars(value); split != "" && len(values) > 0 {
			c.entries = append(c.entries, entry{key, split, values})
		}
	}
	return nil
}

// settle keeps one entry a split.
func (c *config) settle() {
	all := c.entries
	keys := make([]string, len(all))
	for i, e := range all {
		keys[i] = e.key
	}
	evalTests := layout.EvalTests(keys)
	c.entries = nil
	for _, e := range all {
		e.split = layout.SplitAmong(e.split, e.key, evalTests)
		c.addEntry(e)
	}
}

// addEntry keeps val before validation, as Ultralytics does.
func (c *config) addEntry(e entry) {
	at := slices.IndexFunc(c.entries, func(o entry) bool { return o.split == e.split })
	switch {
	case at < 0:
		c.entries = append(c.entries, e)
	case e.key == string(e.split):
		c.entries[at] = e
	}
}

func (c *config) takeNames(value ast.Node) {
	c.list = scalar(value)
	for i, name := range scalars(value) {
		c.names[i] = name
	}
	for _, pair := range pairs(value) {
		key := scalar(pair.Key)
		i, err := strconv.Atoi(key)
		if err != nil || i < 0 || i > maxClasses {
			c.badKeys = append(c.badKeys, key)
			continue
		}
		c.names[i] = scalar(pair.Value)
	}
}

// readNames reads the file that names stands for, as Darknet has it: names:
// data/obj.names. One text that is no file is the name of the only class.
func (c *config) readNames(f *layout.Folder) error {
	if c.list == "" {
		return nil
	}
	name := resolve(f, c.list, path.Dir(c.file))
	ext := strings.ToLower(path.Ext(c.list))
	switch {
	case name != "" && !images.IsImage(name):
		lines, err := classLines(f, name)
		if err != nil {
			return err
		}
		clear(c.names)
		for i, line := range lines {
			c.names[i] = line
		}
	case ext == ".names" || ext == ".txt" || strings.ContainsAny(c.list, `/\`) && ext != "" || leadsOut(c.list):
		return contract.Failf(contract.CodeDatasetInvalid, "names in %s is %q, a file that is not in the dataset.", c.file, c.list).
			WithHint("Add the file, or write the names into %s: names: [cat, dog].", c.file)
	}
	return nil
}

// leadsOut reports a path from a root or out of a folder, which no class is called. A name
// such as cup/mug is one.
func leadsOut(text string) bool {
	slashed := slashed(text)
	return path.IsAbs(slashed) || images.HasDrive(text) || strings.HasPrefix(slashed, "~/") || strings.HasPrefix(slashed, "./") ||
		slices.Contains(strings.Split(slashed, "/"), "..")
}

// entry is the one of a split, or nil.
func (c *config) entry(s contract.Split) *entry {
	for i := range c.entries {
		if c.entries[i].split == s {
			return &c.entries[i]
		}
	}
	return nil
}

// usualConfigs are what a configuration is called, the better name last.
var usualConfigs = []string{"dataset", "data"}

func configStem(name string) string {
	return strings.ToLower(strings.TrimSuffix(path.Base(name), path.Ext(name)))
}

// configs are the YAML files at the top, data.yaml and dataset.yaml before others.
func configs(f *layout.Folder) []string {
	var list []string
	for _, name := range f.Names() {
		ext := strings.ToLower(path.Ext(name))
		if (ext == ".yaml" || ext == ".yml") && !strings.Contains(name, "/") {
			list = append(list, name)
		}
	}
	rank := func(name string) int { return slices.Index(usualConfigs, configStem(name)) }
	slices.SortStableFunc(list, func(a, b string) int { return rank(b) - rank(a) })
	return list
}
