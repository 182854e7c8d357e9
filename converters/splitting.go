package converters

import (
	"slices"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/split"
	"github.com/vision-platform/trainer-agent/converters/write/plan"
)

// minSuspects is from how many objects on that stick out of their image a dataset
// may have mistaken one format of boxes for another.
const minSuspects = 10

// minDrawnElsewhere is from how many objects on that fit the size of another file a
// dataset may have been annotated on other files: each of them is stronger evidence
// than one that only sticks out.
const minDrawnElsewhere = 3

// assign gives every image of the plan its split. Images that the job excludes
// leave the plan.
func (j *conversion) assign(p *plan.Plan) {
	usable := make([]bool, len(j.catalog.Images))
	for _, im := range p.Images {
		usable[im.Index] = true
	}
	d := split.Dataset{
		Images: make([]split.Image, len(j.catalog.Images)), Config: j.catalog.Split, Fixed: j.catalog.Fixed, Measured: j.Measured,
		Classes:  j.classesOf(),
		Unusable: func(i int) bool { return !usable[i] },
	}
	for i, im := range j.catalog.Images {
		d.Images[i] = split.Image{ID: im.ID, File: im.File, Given: im.Split, Field: im.HasSplit}
		if j.Measured && j.catalog.Only != "" {
			d.Images[i].Given, d.Images[i].Field = j.catalog.Only, true
		}
	}
	a, err := split.Assign(d, j.Split)
	if err != nil {
		j.problems.Add(problem.SplitContradiction, 0, "%v", err)
		a, _ = split.Assign(split.Dataset{Images: d.Images, Unusable: d.Unusable}, nil) // to count the rest
	}
	j.split = a
	j.reportSplit(a)
	p.Images = slices.DeleteFunc(p.Images, func(im plan.Image) bool { return a.Splits[im.Index] == "" })
	for i := range p.Images {
		p.Images[i].Split = a.Splits[p.Images[i].Index]
	}
	least := 2 // one to train on and one to validate with
	if j.Measured {
		least = 1
	}
	if len(p.Images) < least && !j.problems.Fatal() {
		j.problems.AddN(problem.TooFewImages, len(p.Images), 0, "%d usable", len(p.Images))
	}
}

// sourceWords are how messages call who decided a split.
var sourceWords = map[split.Source]string{
	split.FromJob: "given strategy", split.FromConfig: "dataset's split_config", split.FromImages: "images' own splits",
}

// report says what became of the split.
func (j *conversion) reportSplit(a *split.Assignment) {
	name := func(i int) string { return j.catalog.Images[i].ID }
	if j.Split != nil {
		for i, key := range j.Split.Unknown {
			j.problems.Add(problem.SplitUnknownKey, i, "%q", key)
		}
	}
	for i, s := range a.Silent {
		j.problems.Add(problem.SplitSaysNothing, i, "the %s: all %d are in %s", sourceWords[s.Source], len(a.Splits), s.Split)
	}
	for i, l := range a.Lost {
		kind := problem.SplitWithoutImage
		if l.Split == contract.SplitTest { // nothing takes its place, and people leave it out to download less
			kind = problem.TestWithoutImage
		}
		j.problems.Add(kind, i, "%s: all %d", l.Split, l.Images)
	}
	for i, m := range a.Covered {
		j.problems.Add(problem.SplitMovedForClass, i, "image %s to %s for %q", name(m.Image), m.To, j.catalog.Classes[m.Class].Name)
	}
	for i, id := range a.Unknown {
		j.problems.Add(problem.SplitUnknownImage, i, "%s", id)
	}
	for _, list := range []struct {
		kind   problem.Kind
		images []int
	}{{problem.SplitUnlistedImage, a.Unlisted}, {problem.SplitMovedImage, a.Moved}, {problem.SplitExcludedImage, a.Excluded}} {
		for _, i := range list.images {
			j.problems.Add(list.kind, i, "%s", name(i))
		}
	}
	for i, im := range j.catalog.Images {
		if s := a.Splits[i]; a.Source == split.FromConfig && im.Split != "" && s != "" && s != im.Split {
			j.problems.Add(problem.SplitFieldsOverridden, i, "%s says %s and is in %s", name(i), im.Split, s)
		}
	}
	if a.Ignored > 0 {
		j.problems.AddN(problem.SplitFieldsIgnored, a.Ignored, 0, "%d of %d images have one", a.Ignored, len(j.catalog.Images))
	}
}

// classesOf says the distinct classes in an image, until it is asked again: a split
// asks for those of every image.
func (j *conversion) classesOf() func(i int) []int {
	var classes []int
	return func(i int) []int {
		classes = j.appendClasses(classes[:0], i)
		return classes
	}
}

func (j *conversion) appendClasses(classes []int, i int) []int {
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
	if out := j.problems.Count(problem.ObjectClipped); images > 0 && out >= minSuspects && out > objects/4 {
		j.problems.AddN(problem.ManyObjectsStickOut, out, 0, "of %d", objects)
	}
	if out := j.problems.Count(problem.FitsOtherSize); out >= minDrawnElsewhere && out > objects/4 {
		j.problems.AddN(problem.ImagesOfOtherSize, out, 0, "of %d", objects)
	}
	if objects == 0 && images > 0 && !j.problems.Fatal() {
		j.problems.Add(problem.NoObjects, 0, "%d images, 0 objects", images)
	}
	train, val := perClass[contract.SplitTrain], perClass[contract.SplitVal]
	if j.Measured || classes.Format == contract.FormatImageFolder || train == nil || val == nil {
		return // a test set may lack classes, and imagefolder reports it as an error of its own
	}
	for i, c := range classes.Classes {
		switch {
		case train[i] == 0 && val[i] == 0:
			j.problems.Add(problem.ClassOnlyElsewhere, i, "%q in both", c.Name)
		case train[i] == 0:
			j.problems.Add(problem.ClassOnlyElsewhere, i, "%q in train", c.Name)
		case val[i] == 0:
			j.problems.Add(problem.ClassOnlyElsewhere, i, "%q in val", c.Name)
		}
	}
}
