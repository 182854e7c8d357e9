package unpack

import (
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

const (
	pictureFeature = `{"_type": "Image"}`
	petsFeature    = `{"_type": "ClassLabel", "names": ["cat", "dog"]}`
	sizesFeature   = `{"_type": "ClassLabel", "names": ["big", "small"]}`
)

// TestColumnsAreChosenByTheirNamesOrRefused: another that would serve is said.
func TestColumnsAreChosenByTheirNamesOrRefused(t *testing.T) {
	const classifying, segmenting, detecting = contract.TaskImageClassification, contract.TaskSemanticSegmentation, contract.TaskObjectDetection
	boxes := `{"feature": {"area": ` + sizesFeature + `, "bbox": {"_type": "Sequence"}, "category": ` + petsFeature + `}, "_type": "Sequence"}`
	for name, c := range map[string]struct {
		task            contract.TaskType
		features        string
		image, label    string
		classes, others string
		refused         string
	}{
		"one of each":                   {task: classifying, features: `"image": ` + pictureFeature + `, "label": ` + petsFeature, image: "image", label: "label", classes: "cat dog"},
		"fine and coarse, as CIFAR-100": {task: classifying, features: `"img": ` + pictureFeature + `, "coarse_label": ` + sizesFeature + `, "fine_label": ` + petsFeature, image: "img", label: "fine_label", classes: "cat dog", others: "coarse_label, beside fine_label"},
		"none has the usual name":       {task: classifying, features: `"image": ` + pictureFeature + `, "breed": ` + petsFeature + `, "size": ` + sizesFeature, refused: "several columns of classes, and which one is meant is not known: breed, size"},
		"two pictures":                  {task: classifying, features: `"left": ` + pictureFeature + `, "right": ` + pictureFeature + `, "label": ` + petsFeature, refused: "several columns of images, and which one is meant is not known: left, right"},
		"a depth beside the image":      {task: classifying, features: `"depth": ` + pictureFeature + `, "image": ` + pictureFeature + `, "label": ` + petsFeature, image: "image", label: "label", classes: "cat dog", others: "depth, beside image"},
		"no pictures":                   {task: classifying, features: `"label": ` + petsFeature, refused: "needs a column of images"},
		"a mask that sorts first":       {task: segmenting, features: `"mask": ` + pictureFeature + `, "photo": ` + pictureFeature, image: "photo", label: "mask"},
		"a mask of an unusual name":     {task: segmenting, features: `"image": ` + pictureFeature + `, "target_image": ` + pictureFeature, image: "image", label: "target_image"},
		"two masks":                     {task: segmenting, features: `"image": ` + pictureFeature + `, "annotation": ` + pictureFeature + `, "instances": ` + pictureFeature, image: "image", label: "annotation", others: "instances, beside annotation"},
		"classes of the category's own": {task: detecting, features: `"image": ` + pictureFeature + `, "objects": ` + boxes, image: "image", label: "objects", classes: "cat dog"},
		"two columns of objects":        {task: detecting, features: `"image": ` + pictureFeature + `, "faces": ` + boxes + `, "plates": ` + boxes, refused: "several columns of objects"},
		"objects beside other boxes":    {task: detecting, features: `"image": ` + pictureFeature + `, "faces": ` + boxes + `, "objects": ` + boxes, image: "image", label: "objects", classes: "cat dog", others: "faces, beside objects"},
	} {
		u, err := features(`{"info": {"features": {` + c.features + `}}}`).forTask(c.task)
		if c.refused != "" {
			if f := contract.AsFailure(err); f == nil || !strings.Contains(f.Message, c.refused) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || u.image != c.image || !slices.Contains(u.names(), c.label) || strings.Join(u.classes, " ") != c.classes || strings.Join(u.others, "; ") != c.others {
			t.Errorf("%s: %+v %v", name, u, err)
		}
	}
}
