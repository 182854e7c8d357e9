package imagefolder

import (
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

// The problems of classification datasets.
var (
	Unlabelled = problem.Kind{Code: "no_class_label", Severity: problem.Warning,
		Message: "images have no class and are left out"}
	NothingLabelled = problem.Kind{Code: "no_class_labels", Severity: problem.Error,
		Message: "images have no class, and the task needs one for each", Hint: `Give every image an "annotation": {"class_id": ...}.`}
	OnlyObjects = problem.Kind{Code: "objects_without_class_label", Severity: problem.Error,
		Message: "images have annotated objects and no class of their own", Hint: "Train object_detection on them, or label whole images."}
	BackgroundImage = problem.Kind{Code: "background_image", Severity: problem.Warning,
		Message: "images show none of the classes, which a classification dataset cannot say; they are left out"}
	MultiLabel = problem.Kind{Code: "several_labels", Severity: problem.Error,
		Message: "images have more than one class", Hint: "A classification dataset has one class for each image."}
	UnusedClass = problem.Kind{Code: "class_without_images", Severity: problem.Warning,
		Message: "classes have no image and are not in the prepared dataset"}
	MissingInSplit = problem.Kind{Code: "class_missing_in_split", Severity: problem.Error,
		Message: "classes have no image in one of the splits, so readers would number the classes differently there",
		Hint:    `Add images of these classes, or split with {"method": "auto", "stratify": true}.`}
	OneClass = problem.Kind{Code: "single_class", Severity: problem.Warning,
		Message: "datasets have a single class; there is nothing to tell apart, and Hugging Face datasets makes no label column of it"}
)

// label is the class index of image i, or catalog.NoLabel when it has none that
// can be used, which is reported.
func label(c *dataset.Catalog, i int, problems *problem.List) int {
	class, boxes := int(c.Images[i].Label), false
	for _, k := range c.ObjectsOf(i) {
		o := c.Objects.At(int(k))
		switch {
		case o.HasGeometry():
			boxes = true
		case class == dataset.NoLabel:
			class = int(o.Class)
		case class != int(o.Class):
			class = dataset.ManyLabels
		}
	}
	id := c.Images[i].ID
	switch {
	case class >= 0:
		return class
	case class == dataset.ManyLabels:
		problems.Add(MultiLabel, i, "image %s", id)
	case class == dataset.Background:
		problems.Add(BackgroundImage, i, "image %s", id)
	case boxes:
		problems.Add(OnlyObjects, i, "image %s", id)
	default:
		problems.Add(Unlabelled, i, "image %s", id)
	}
	return dataset.NoLabel
}

// checkSplits reports the classes that a split lacks.
func checkSplits(perClass map[contract.Split][]int, classes []contract.ClassEntry, problems *problem.List) {
	for _, split := range contract.Splits {
		counts, used := perClass[split]
		if !used {
			continue
		}
		for i, c := range classes {
			if counts[i] == 0 {
				problems.Add(MissingInSplit, i, "%q in %s", c.Name, split)
			}
		}
	}
}
