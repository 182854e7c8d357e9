package kit

import (
	"encoding/json"
	"math"
	"slices"

	"github.com/vision-platform/trainer-agent/contract"
)

// predicted is results.json (docs/inference.md), as far as it is checked.
type predicted struct {
	Results []struct {
		Width       float64         `json:"width"`
		Height      float64         `json:"height"`
		Predictions json.RawMessage `json:"predictions"`
		Error       *string         `json:"error"`
	} `json:"results"`
}

// guess is one prediction: a class for an image, a box, or a class of a mask.
type guess struct {
	Class        string      `json:"class_name"`
	Confidence   *float64    `json:"confidence"`
	Share        *float64    `json:"share"`
	Box          []float64   `json:"bbox"`
	Segmentation [][]float64 `json:"segmentation"`
	Keypoints    [][]float64 `json:"keypoints"`
}

// predictionProblem says why a results.json holds no predictions of a task for one image,
// "" when it does. classes are those that the model was trained with; nil means unknown.
func predictionProblem(body []byte, task contract.TaskType, classes []string) string {
	var all predicted
	if err := json.Unmarshal(body, &all); err != nil {
		return "it is not of the described form: " + err.Error()
	}
	if len(all.Results) != 1 {
		return textf("results has %d records, one image was given", len(all.Results))
	}
	record := all.Results[0]
	if record.Error != nil {
		return "the image has an error: " + *record.Error
	}
	var found struct {
		guess
		Boxes   *[]guess `json:"boxes"`
		Classes *[]guess `json:"classes"`
	}
	if err := json.Unmarshal(record.Predictions, &found); err != nil {
		return "predictions are not of the described form: " + err.Error()
	}
	switch task {
	case contract.TaskImageClassification, contract.TaskZeroShotClassification:
		return found.classProblem(classes, found.Confidence, "confidence")
	case contract.TaskSemanticSegmentation:
		if found.Classes == nil || len(*found.Classes) == 0 {
			return "predictions.classes names no class of the mask"
		}
		if classes != nil {
			classes = slices.Concat(classes, background)
		}
		return first(*found.Classes, func(g guess) string { return g.classProblem(classes, g.Share, "share") })
	}
	if found.Boxes == nil {
		return "predictions.boxes is missing; it may be empty"
	}
	return first(*found.Boxes, func(g guess) string {
		if wrong := g.classProblem(classes, g.Confidence, "confidence"); wrong != "" {
			return wrong
		}
		return g.shapeProblem(task, record.Width, record.Height)
	})
}

// background is a class that masks have beside those of the dataset.
var background = []string{"background", "_background_", "unlabeled"}

func first(guesses []guess, problem func(guess) string) string {
	for _, g := range guesses {
		if wrong := problem(g); wrong != "" {
			return wrong
		}
	}
	return ""
}

// classProblem asks for a class of the dataset and a share of 1.
func (g guess) classProblem(classes []string, share *float64, name string) string {
	switch {
	case g.Class == "":
		return "class_name is missing"
	case classes != nil && !slices.Contains(classes, g.Class):
		return textf("class_name %q is no class of the dataset", g.Class)
	case share == nil:
		return name + " is missing"
	case math.IsNaN(*share) || *share < 0 || *share > 1:
		return textf("%s is %v, outside 0 and 1", name, *share)
	}
	return ""
}

// shapeProblem asks for a box within the image, x1, y1, x2, y2, and for what the task adds.
func (g guess) shapeProblem(task contract.TaskType, width, height float64) string {
	if len(g.Box) != 4 {
		return textf("bbox has %d numbers, not x1, y1, x2, y2", len(g.Box))
	}
	const rounding = 1
	x1, y1, x2, y2 := g.Box[0], g.Box[1], g.Box[2], g.Box[3]
	switch {
	case x2 < x1 || y2 < y1:
		return textf("bbox %v has its corners exchanged: it is x1, y1, x2, y2", g.Box)
	case x1 < -rounding || y1 < -rounding || x2 > width+rounding || y2 > height+rounding:
		return textf("bbox %v lies outside the image of %v × %v", g.Box, width, height)
	case task == contract.TaskInstanceSegmentation && len(g.Segmentation) == 0:
		return "a box has no segmentation"
	case task == contract.TaskPoseEstimation && len(g.Keypoints) == 0:
		return "a box has no keypoints"
	}
	return ""
}
