package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

var exportJob = map[string]string{"EXPORT_FORMAT": "onnx", "CHECKPOINT_PATH": "s3://b/k.pt", "FRAMEWORK": "ultralytics", "DATASET_ID": ""}

// What no export of a format can do is refused before anything starts, with what can be done in its place.
func TestAnExportThatCannotBeIsRefusedByCheck(t *testing.T) {
	for name, c := range map[string]struct {
		set    map[string]string
		errors []string
		says   string
	}{
		"plain":                       {nil, nil, ""},
		"static without images":       {map[string]string{"QUANTIZATION_TYPE": "static"}, []string{"VALIDATION_DATASET_ID"}, "calibrated on its training images"},
		"static with images":          {map[string]string{"QUANTIZATION_TYPE": "static", "VALIDATION_DATASET_ID": "v"}, nil, ""},
		"validated without images":    {map[string]string{"ENABLE_VALIDATION": "true"}, []string{"VALIDATION_DATASET_ID"}, "ENABLE_VALIDATION is true"},
		"an empty cell":               {map[string]string{"EXPORT_FORMAT": "openvino", "QUANTIZATION_TYPE": "dynamic", "QUANTIZATION_DTYPE": "int16"}, []string{"QUANTIZATION_TYPE"}, "OpenVINO has no int16"},
		"a cell for classifiers only": {map[string]string{"EXPORT_FORMAT": "openvino", "QUANTIZATION_TYPE": "dynamic"}, []string{"QUANTIZATION_TYPE"}, "serves image_classification only"},
		"that cell of a classifier":   {map[string]string{"EXPORT_FORMAT": "openvino", "QUANTIZATION_TYPE": "dynamic", "TASK_TYPE": "image_classification"}, nil, ""},
		"no GPU":                      {map[string]string{"EXPORT_FORMAT": "tensorrt"}, []string{"DEVICE"}, "built on the GPU"},
		"rotated boxes":               {map[string]string{"MODEL_NAME": "yolo11n-obb"}, []string{"INCLUDE_POSTPROCESSING"}, "rotated boxes"},
		"rotated boxes, raw":          {map[string]string{"MODEL_NAME": "yolo11n-obb", "INCLUDE_POSTPROCESSING": "false"}, nil, ""},
		"rotated boxes, validated":    {map[string]string{"MODEL_NAME": "yolo11n-obb", "INCLUDE_POSTPROCESSING": "false", "ENABLE_VALIDATION": "true", "VALIDATION_DATASET_ID": "v"}, []string{"ENABLE_VALIDATION"}, "does not read"},
		"a model that no format has":  {map[string]string{"FRAMEWORK": "huggingface"}, []string{"TASK_TYPE"}, "RT-DETR"},
		"a classifier that is wide":   {map[string]string{"TASK_TYPE": "image_classification", "INPUT_SIZE": "[96, 128]"}, []string{"INPUT_SIZE"}, "as high as wide"},
		"a detector that is wide":     {map[string]string{"INPUT_SIZE": "[96, 128]"}, nil, ""},
		"a detector between strides":  {map[string]string{"INPUT_SIZE": "[100, 128]"}, []string{"INPUT_SIZE"}, "multiples of 32"},
		"too small for a model":       {map[string]string{"TASK_TYPE": "image_classification", "INPUT_SIZE": "[1, 1]"}, []string{"INPUT_SIZE"}, "sides of 32 to 16384 pixels"},
		"too large for a machine":     {map[string]string{"INPUT_SIZE": "[102400, 102400]"}, []string{"INPUT_SIZE"}, "sides of 32 to 16384 pixels"},
		"a size that is no list":      {map[string]string{"INPUT_SIZE": "640"}, []string{"INPUT_SIZE"}, "a JSON list of height and width"},
		"the size of a training":      {map[string]string{"IMAGE_SIZE": "96"}, nil, "INPUT_SIZE is the size of the exported model"},
		"the size of both":            {map[string]string{"IMAGE_SIZE": "96", "INPUT_SIZE": "[96, 96]"}, nil, ""},
		"somebody else's trainer":     {map[string]string{"FRAMEWORK": "mine", "EXPORT_FORMAT": "tensorrt"}, nil, ""},
	} {
		base := maps.Clone(minimal)
		maps.Copy(base, exportJob)
		_, problems := load(t, base, c.set)
		if got := errorsOf(problems); !slices.Equal(got, c.errors) {
			t.Errorf("%s: %v, want %v", name, problems, c.errors)
		}
		if c.says != "" && !slices.ContainsFunc(problems, func(p Problem) bool { return strings.Contains(p.String(), c.says) }) {
			t.Errorf("%s: %v do not say %q", name, problems, c.says)
		}
	}
}

// A format that cannot resize is no error: the wrappers do it. It is said.
func TestWhatAFormatCannotCarryIsSaid(t *testing.T) {
	base := maps.Clone(minimal)
	maps.Copy(base, exportJob)
	_, problems := load(t, base, map[string]string{"EXPORT_FORMAT": "tflite"})
	if len(problems) != 1 || !problems[0].Warning || problems[0].Variable != "INCLUDE_PREPROCESSING" {
		t.Errorf("%v", problems)
	}
}

// A bound that nothing is measured against is said: the job would end well, however much was lost.
func TestABoundOfAccuracyWithoutAMeasurementIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		set  map[string]string
		said bool
	}{
		"alone":           {map[string]string{"ACCURACY_DROP_MAX": "0.01"}, true},
		"quantized":       {map[string]string{"ACCURACY_DROP_MAX": "0.01", "QUANTIZATION_TYPE": "dynamic"}, true},
		"somebody else's": {map[string]string{"ACCURACY_DROP_MAX": "0.01", "FRAMEWORK": "mine"}, true},
		"measured":        {map[string]string{"ACCURACY_DROP_MAX": "0.01", "ENABLE_VALIDATION": "true", "VALIDATION_DATASET_ID": "v"}, false},
		"nobody's":        {map[string]string{"QUANTIZATION_TYPE": "dynamic"}, false},
	} {
		base := maps.Clone(minimal)
		maps.Copy(base, exportJob)
		_, problems := load(t, base, c.set)
		said := slices.ContainsFunc(problems, func(p Problem) bool {
			return p.Warning && p.Variable == "ACCURACY_DROP_MAX" && p.Value == "0.01" && strings.Contains(p.Expected, "without ENABLE_VALIDATION=true")
		})
		if said != c.said || len(errorsOf(problems)) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

// Every format has every cell, and each of them either works or says why it does not and what does.
func TestTheMatrixIsWhole(t *testing.T) {
	m := exports()
	formats := slices.Sorted(maps.Keys(m.Formats))
	if !slices.Equal(formats, []string{"coreml", "onnx", "openvino", "tensorrt", "tflite", "torchscript"}) {
		t.Errorf("formats %v", formats)
	}
	for _, model := range m.Models {
		if model.Refused == "" || model.Instead == "" || !slices.Contains(m.Frameworks, model.Framework) {
			t.Errorf("%+v", model)
		}
	}
	for name, format := range m.Formats {
		for _, kind := range []string{"dynamic", "static"} {
			for _, dtype := range []string{"int8", "int16", "float16"} {
				cell, there := format.Quantization[kind+" "+dtype]
				if !there || (cell.Refused != "") && cell.Instead == "" || len(cell.Tasks) > 0 && (cell.Why == "" || cell.Instead == "") {
					t.Errorf("%s: %s %s is %+v (there: %v)", name, kind, dtype, cell, there)
				}
			}
		}
	}
}
