package read

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
	"github.com/vision-platform/trainer-agent/converters/images"
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
func recogniseYOLO(t *images.Tree, names []string, task contract.TaskType) *Layout {
	if task == contract.TaskImageClassification || task == contract.TaskZeroShotClassification {
		return nil
	}
	for _, name := range names {
		ext := strings.ToLower(path.Ext(name))
		if (ext != ".yaml" && ext != ".yml") || strings.Contains(name, "/") {
			continue
		}
		config, err := readConfig(t.Path(name))
		switch {
		case errors.Is(err, errConfig):
			return &Layout{Name: "yolo", Annotations: t.Path(name), read: func(*problem.List) (*dataset.Catalog, error) {
				return nil, contract.Failf(contract.CodeDatasetInvalid, "%s cannot be read: %w.", name, err).
					WithHint("It needs train, val and names as Ultralytics has them; write it again with a YAML library.")
			}}
		case err != nil || (config.Names == nil && config.NC == 0) || config.Train == nil:
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

func yoloLayout(t *images.Tree, names []string, file string, config yoloConfig, task contract.TaskType) *Layout {
	if config.Val == nil {
		config.Val = config.Validation
	}
	return &Layout{Name: "yolo", Annotations: file, read: func(problems *problem.List) (*dataset.Catalog, error) {
		r := &yoloReader{t: t, names: names, config: config, task: task, problems: problems, c: new(dataset.Catalog)}
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
