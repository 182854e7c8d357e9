package kit

import (
	"cmp"
	"encoding/json"
	"math"
	"reflect"
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

// answered is what was predicted of one image.
type answered struct {
	guess
	Boxes   *[]guess `json:"boxes"`
	Classes *[]guess `json:"classes"`
	Top     []guess  `json:"top5"`

	objects int    // boxes that are right in every respect
	doubt   string // what is wrong with a box of a low confidence
}

const (
	// everyCandidate asks a detector for whatever it takes into account: one that was trained for one
	// epoch may be sure of nothing. It is not 0, which some programs take for a threshold that nobody set.
	everyCandidate = "0.000001"
	// usualConfidence is CONFIDENCE_THRESHOLD where nobody sets it. A box below it is a candidate
	// that nobody would be shown, and may be beyond the image.
	usualConfidence = 0.25
)

// same says whether two images got the same answer to the last digit.
func (a answered) same(b answered) bool { return reflect.DeepEqual(a, b) }

// parseAnswer reads a results.json of one image, and says why it holds no predictions of a
// task, "" when it does. classes are those that the model was trained with; nil means unknown.
func parseAnswer(body []byte, task contract.TaskType, classes []string) (found answered, wrong string) {
	var all predicted
	if err := json.Unmarshal(body, &all); err != nil {
		return found, "it is not of the described form: " + err.Error()
	}
	if len(all.Results) != 1 {
		return found, textf("results has %d records, one image was given", len(all.Results))
	}
	record := all.Results[0]
	if record.Error != nil {
		return found, "the image has an error: " + *record.Error
	}
	if err := json.Unmarshal(record.Predictions, &found); err != nil {
		return found, "predictions are not of the described form: " + err.Error()
	}
	switch task {
	case contract.TaskImageClassification, contract.TaskZeroShotClassification:
		return found, cmp.Or(found.classProblem(classes, found.Confidence, "confidence"), topProblem(found.Top, classes))
	case contract.TaskSemanticSegmentation:
		return found, maskProblem(found.Classes, classes)
	}
	return found, found.boxesProblem(task, classes, record.Width, record.Height)
}

// boxesProblem counts the boxes that are right, and says what is wrong with one that somebody
// would be shown.
func (a *answered) boxesProblem(task contract.TaskType, classes []string, width, height float64) string {
	if a.Boxes == nil {
		return "predictions.boxes is missing; it may be empty"
	}
	for _, g := range *a.Boxes {
		if wrong := g.classProblem(classes, g.Confidence, "confidence"); wrong != "" {
			return wrong
		}
		wrong := g.shapeProblem(task, width, height)
		switch {
		case wrong == "" && g.Box[0] < g.Box[2] && g.Box[1] < g.Box[3]:
			a.objects++
		case wrong != "" && *g.Confidence >= usualConfidence:
			return wrong
		case wrong != "":
			a.doubt = wrong
		}
	}
	return ""
}

// noObject says that a detector found nothing on any image, "" when it did, or when the
// task has no objects.
func noObject(answers []answered, task contract.TaskType) string {
	if !slices.Contains([]contract.TaskType{contract.TaskObjectDetection, contract.TaskInstanceSegmentation, contract.TaskPoseEstimation}, task) {
		return ""
	}
	doubt := ""
	for _, a := range answers {
		if a.objects > 0 {
			return ""
		}
		doubt = cmp.Or(doubt, a.doubt)
	}
	if doubt != "" {
		doubt = "; none of its boxes is right: " + doubt
	}
	return textf("it found no object on %d images of the dataset, asked for every candidate (CONFIDENCE_THRESHOLD=%s)%s", len(answers), everyCandidate, doubt)
}

func maskProblem(found *[]guess, classes []string) string {
	if found == nil || len(*found) == 0 {
		return "predictions.classes names no class of the mask"
	}
	if classes != nil {
		classes = slices.Concat(classes, background)
	}
	return first(*found, func(g guess) string { return g.classProblem(classes, g.Share, "share") })
}

// topProblem asks the most likely classes, where they are told, for probabilities.
func topProblem(top []guess, classes []string) string {
	const rounding = 0.01
	sum := 0.0
	for _, g := range top {
		if wrong := g.classProblem(classes, g.Confidence, "confidence"); wrong != "" {
			return "top5: " + wrong
		}
		sum += *g.Confidence
	}
	all := len(top) > 0 && len(top) == len(classes)
	if sum > 1+rounding || all && sum < 1-rounding {
		return textf("the confidences in top5 add up to %.2f: those of all classes are probabilities, and add up to 1", sum)
	}
	return ""
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
