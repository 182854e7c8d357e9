package converters

import (
	"slices"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	labels "github.com/vision-platform/trainer-agent/converters/labels"
	"github.com/vision-platform/trainer-agent/converters/split"
	"github.com/vision-platform/trainer-agent/converters/write/plan"
)

// The problems of splits.
var (
	splitContradicts = problem.Kind{Code: "split_contradiction", Severity: problem.Error,
		Message: "images are in two splits", Hint: "Name every image once in custom_splits."}
	splitUnknown = problem.Kind{Code: "split_unknown_image", Severity: problem.Warning,
		Message: "image ids of the split are not in the dataset"}
	splitUnlisted = problem.Kind{Code: "split_unlisted_image", Severity: problem.Warning,
		Message: "images are not named by the split and were assigned automatically"}
	splitIgnored = problem.Kind{Code: "split_fields_ignored", Severity: problem.Warning,
		Message: "split fields of images are not used, because other images have none"}
	splitOverridden = problem.Kind{Code: "split_fields_overridden", Severity: problem.Warning,
		Message: "images have a split field that the dataset's split_config overrides"}
	splitMoved = problem.Kind{Code: "split_moved_image", Severity: problem.Info,
		Message: "images were moved so that neither train nor val is empty"}
	splitExcluded = problem.Kind{Code: "split_excluded_image", Severity: problem.Info,
		Message: "images are left out as exclude_images says"}
	tooFew = problem.Kind{Code: "too_few_images", Severity: problem.Error,
		Message: "images are too few: one for training and one for validation are needed", Hint: "Add images to the dataset."}
	missingInSplit = problem.Kind{Code: "class_only_elsewhere", Severity: problem.Warning,
		Message: "classes have no object in train or in val"}
	manyClipped = problem.Kind{Code: "many_objects_stick_out", Severity: problem.Warning,
		Message: "objects, more than a quarter, stick out of their image: their boxes may be in another format than they are read in",
		Hint:    "Look at --preview. bbox is [x, y, width, height] from the top left; declare bbox_format where it is not."}
	noObjects = problem.Kind{Code: "no_objects", Severity: problem.Error,
		Message: "datasets have no usable object at all", Hint: "Annotate some images first."}
)

// minSuspects is from how many objects on that stick out of their image a dataset
// may have mistaken one format of boxes for another.
const minSuspects = 10

// assign gives every image of the plan its split. Images that the job excludes
// leave the plan.
func (j *conversion) assign(p *plan.Plan) {
	usable := make([]bool, len(j.catalog.Images))
	for _, im := range p.Images {
		usable[im.Index] = true
	}
	d := split.Dataset{
		Images: make([]split.Image, len(j.catalog.Images)), Config: j.catalog.Split,
		Classes:  j.classesOf,
		Unusable: func(i int) bool { return !usable[i] },
	}
	for i, im := range j.catalog.Images {
		d.Images[i] = split.Image{ID: im.ID, File: im.File, Given: im.Split, Field: im.HasSplit}
	}
	a, err := split.Assign(d, j.Split)
	if err != nil {
		j.problems.Add(splitContradicts, 0, "%v", err)
		a, _ = split.Assign(split.Dataset{Images: d.Images, Unusable: d.Unusable}, nil) // to count the rest
	}
	j.split = a
	j.tell(a)
	p.Images = slices.DeleteFunc(p.Images, func(im plan.Image) bool { return a.Splits[im.Index] == "" })
	for i := range p.Images {
		p.Images[i].Split = a.Splits[p.Images[i].Index]
	}
	if len(p.Images) < 2 && !j.problems.Fatal() {
		j.problems.AddN(tooFew, len(p.Images), 0, "%d usable", len(p.Images))
	}
}

func (j *conversion) tell(a *split.Assignment) {
	name := func(i int) string { return j.catalog.Images[i].ID }
	for i, id := range a.Unknown {
		j.problems.Add(splitUnknown, i, "%s", id)
	}
	for _, list := range []struct {
		kind   problem.Kind
		images []int
	}{{splitUnlisted, a.Unlisted}, {splitMoved, a.Moved}, {splitExcluded, a.Excluded}} {
		for _, i := range list.images {
			j.problems.Add(list.kind, i, "%s", name(i))
		}
	}
	for i, im := range j.catalog.Images {
		if s := a.Splits[i]; a.Source == split.FromConfig && im.Split != "" && s != "" && s != im.Split {
			j.problems.Add(splitOverridden, i, "%s says %s and is in %s", name(i), im.Split, s)
		}
	}
	if a.Ignored > 0 {
		j.problems.AddN(splitIgnored, a.Ignored, 0, "%d of %d images have one", a.Ignored, len(j.catalog.Images))
	}
}

// classesOf are the distinct classes in an image, for a stratified split.
func (j *conversion) classesOf(i int) []int {
	var classes []int
	if label := j.catalog.Images[i].Label; label >= 0 {
		classes = append(classes, int(label))
	}
	for _, k := range j.catalog.ObjectsOf(i) {
		if class := int(j.catalog.Objects.At(int(k)).Class); !slices.Contains(classes, class) {
			classes = append(classes, class)
		}
	}
	return classes
}

// balance warns of classes that training or validation never sees.
func (j *conversion) balance(counts []plan.Count, classes contract.ClassMap) {
	perClass := make(map[contract.Split][]int)
	objects, images := 0, 0
	for _, c := range counts {
		perClass[c.Split] = c.PerClass
		objects += c.Objects
		images += c.Images
	}
	if out := j.problems.Count(labels.Clipped); images > 0 && out >= minSuspects && out > objects/4 {
		j.problems.AddN(manyClipped, out, 0, "of %d", objects)
	}
	if objects == 0 && images > 0 && !j.problems.Fatal() {
		j.problems.Add(noObjects, 0, "%d images, 0 objects", images)
	}
	train, val := perClass[contract.SplitTrain], perClass[contract.SplitVal]
	if classes.Format == contract.FormatImageFolder || train == nil || val == nil {
		return // imagefolder reports it as an error of its own
	}
	for i, c := range classes.Classes {
		switch {
		case train[i] == 0 && val[i] == 0:
			j.problems.Add(missingInSplit, i, "%q in both", c.Name)
		case train[i] == 0:
			j.problems.Add(missingInSplit, i, "%q in train", c.Name)
		case val[i] == 0:
			j.problems.Add(missingInSplit, i, "%q in val", c.Name)
		}
	}
}
