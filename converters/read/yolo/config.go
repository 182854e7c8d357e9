package yolo

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
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

// Recognise takes a folder with a data.yaml (any name) that has train and
// val, or with images/{train,val} and labels/.
func Recognise(f *layout.Folder) (*layout.Layout, error) {
	if f.Classifies() {
		return nil, nil
	}
	for _, name := range f.Names() {
		ext := strings.ToLower(path.Ext(name))
		if (ext != ".yaml" && ext != ".yml") || strings.Contains(name, "/") {
			continue
		}
		config, err := readConfig(f.Path(name))
		switch {
		case errors.Is(err, errConfig):
			return &layout.Layout{Name: "yolo", Annotations: f.Path(name), Read: func(*problem.List) (*dataset.Catalog, error) {
				return nil, contract.Failf(contract.CodeDatasetInvalid, "%s cannot be read: %w.", name, err).
					WithHint("It needs train, val and names as Ultralytics has them; write it again with a YAML library.")
			}}, nil
		case err != nil || (config.Names == nil && config.NC == 0) || config.Train == nil:
			continue
		}
		return of(f, f.Path(name), *config), nil
	}
	if len(f.Below("labels")) == 0 || len(f.Below("images")) == 0 {
		return nil, nil
	}
	config := yoloConfig{Train: "images"}
	if len(f.Below("images/train")) > 0 {
		config.Train = "images/train"
		for _, dir := range []string{"val", "valid", "validation"} {
			if config.Val == nil && len(f.Below("images/"+dir)) > 0 {
				config.Val = "images/" + dir
			}
		}
		if len(f.Below("images/test")) > 0 {
			config.Test = "images/test"
		}
	}
	return of(f, "", config), nil
}

func of(f *layout.Folder, file string, config yoloConfig) *layout.Layout {
	if config.Val == nil {
		config.Val = config.Validation
	}
	return &layout.Layout{Name: "yolo", Annotations: file, Read: func(problems *problem.List) (*dataset.Catalog, error) {
		r := &reader{Folder: f, config: config, problems: problems, c: new(dataset.Catalog)}
		return r.read()
	}}
}

func readConfig(file string) (*yoloConfig, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxYAMLBytes {
		return nil, fmt.Errorf("%s is too large for a configuration", file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	config := new(yoloConfig)
	if err = boundedYAML(text); err == nil {
		err = yaml.Unmarshal(text, config)
	}
	if err != nil && bytes.Contains(text, []byte("train:")) && bytes.Contains(text, []byte("names:")) {
		what, _, _ := strings.Cut(err.Error(), "\n") // what follows is the text around the place
		return nil, fmt.Errorf("%w: %s", errConfig, what)
	}
	return config, err
}

// errConfig is for a file that is meant to be data.yaml and is broken. Any other
// YAML file of a dataset may be what it likes.
var errConfig = errors.New("it is no configuration of a dataset")
