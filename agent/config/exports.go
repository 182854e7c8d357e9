package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers"
)

// exportMatrix says what each format can carry and in which numbers it can compute. The
// trainers read the same file, so what is refused here is what a job would end with.
type exportMatrix struct {
	Frameworks []string                `json:"frameworks"` // whose export.py goes by it
	Models     []exportModel           `json:"models"`     // that no format carries
	Formats    map[string]exportFormat `json:"formats"`
}

type exportModel struct {
	Framework string `json:"framework"`
	Task      string `json:"task"`
	Refused   string `json:"refused"`
	Instead   string `json:"instead"`
}

type exportFormat struct {
	Needs        string                `json:"needs"`   // cuda, or nothing
	Resizes      bool                  `json:"resizes"` // images of any size may go in
	Quantization map[string]exportCell `json:"quantization"`
}

type exportCell struct {
	Refused string   `json:"refused"`
	Instead string   `json:"instead"`
	Tasks   []string `json:"tasks"` // empty for all
	Why     string   `json:"why"`
	Needs   string   `json:"needs"`
}

var exports = sync.OnceValue(func() (m exportMatrix) {
	if err := json.Unmarshal(trainers.ExportMatrix(), &m); err != nil {
		panic(err) // a file of this program, which its tests have read
	}
	return m
})

// checkExport refuses what no export of the job's format can do, before a machine is started for it.
func (c *Config) checkExport(say, doubt func(name, value, text string)) {
	images := c.ValidationDatasetID != "" || c.DatasetPath != ""
	if c.EnableValidation && !images {
		say("VALIDATION_DATASET_ID", "", "a dataset, because ENABLE_VALIDATION is true")
	}
	if c.set["ACCURACY_DROP_MAX"] && !c.EnableValidation {
		doubt("ACCURACY_DROP_MAX", strconv.FormatFloat(c.AccuracyDropMax, 'g', -1, 64), "does nothing without ENABLE_VALIDATION=true: accuracy is not measured, and a quantized model is not made again with more of it float")
	}
	matrix := exports()
	format, known := matrix.Formats[c.ExportFormat]
	if !known || !slices.Contains(matrix.Frameworks, c.Framework) {
		return
	}
	for _, m := range matrix.Models {
		if m.Framework == c.Framework && m.Task == c.TaskType {
			say("TASK_TYPE", c.TaskType, fmt.Sprintf("another task, because %s; set %s", m.Refused, m.Instead))
		}
	}
	if c.set["IMAGE_SIZE"] && !c.set["INPUT_SIZE"] {
		doubt("IMAGE_SIZE", strconv.Itoa(c.ImageSize), "does nothing in an export: INPUT_SIZE is the size of the exported model, and without it that is the checkpoint's own")
	}
	if text := c.unfitSize(); text != "" {
		say("INPUT_SIZE", fmt.Sprintf("[%d, %d]", c.InputSize[0], c.InputSize[1]), text)
	}
	cuda := strings.HasPrefix(c.Device, "cuda")
	if format.Needs == "cuda" && !cuda {
		say("DEVICE", c.Device, "cuda on a machine that has a GPU, because "+c.ExportFormat+" is built on the GPU that will run it; or EXPORT_FORMAT=onnx")
	}
	oriented := strings.HasSuffix(c.ModelName, orientedSuffix)
	if c.IncludePostprocessing && oriented {
		say("INCLUDE_POSTPROCESSING", "true", "false, because rotated boxes are exported as the model answers them")
	}
	if c.EnableValidation && oriented {
		say("ENABLE_VALIDATION", "true", "false, because rotated boxes are exported as the model answers them, which the evaluator does not read")
	}
	if c.IncludePreprocessing && !format.Resizes {
		doubt("INCLUDE_PREPROCESSING", "true", "holds for the scaling of pixels only: "+c.ExportFormat+" takes images of INPUT_SIZE, and who runs the model resizes them as metadata.json says (the package's wrappers do)")
	}
	if c.QuantizationType == "none" {
		return
	}
	if c.QuantizationType == "static" && !images {
		say("VALIDATION_DATASET_ID", "", "a dataset, because QUANTIZATION_TYPE=static is calibrated on its training images")
	}
	cell := format.Quantization[c.QuantizationType+" "+c.QuantizationDtype]
	asked := fmt.Sprintf("%s for %s", c.QuantizationDtype, c.ExportFormat)
	switch {
	case cell.Refused != "":
		say("QUANTIZATION_TYPE", c.QuantizationType, fmt.Sprintf("another than this with %s: %s; set %s", asked, cell.Refused, cell.Instead))
	case len(cell.Tasks) > 0 && !slices.Contains(cell.Tasks, c.TaskType):
		say("QUANTIZATION_TYPE", c.QuantizationType, fmt.Sprintf("another than this with %s: it serves %s only, because %s; set %s", asked, strings.Join(cell.Tasks, ", "), cell.Why, cell.Instead))
	case cell.Needs == "cuda" && !cuda:
		say("DEVICE", c.Device, "cuda, because "+asked+" needs a GPU; or QUANTIZATION_TYPE=none")
	}
}

const (
	stride      = 32    // what the sides of a YOLO detector's images are multiples of
	smallestFit = 32    // pixels of a side, as of IMAGE_SIZE
	largestFit  = 16384 // pixels of a side, as of IMAGE_SIZE
)

// unfitSize says which size the models of the job's task take, where it asks for another.
func (c *Config) unfitSize() string {
	height, width := c.InputSize[0], c.InputSize[1]
	if min(height, width) < smallestFit || max(height, width) > largestFit {
		return fmt.Sprintf("sides of %d to %d pixels", smallestFit, largestFit)
	}
	switch task := contract.TaskType(c.TaskType); {
	case task == contract.TaskImageClassification || task == contract.TaskZeroShotClassification || task == contract.TaskSemanticSegmentation:
		if height != width {
			return "as high as wide, as classifiers and models of semantic segmentation take images"
		}
	case height%stride != 0 || width%stride != 0:
		return fmt.Sprintf("multiples of %d, as YOLO's detectors take images", stride)
	}
	return ""
}
