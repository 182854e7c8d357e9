package imagefolder

import (
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
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
		problems.Add(problem.SeveralLabels, i, "image %s", id)
	case class == dataset.Background:
		problems.Add(problem.BackgroundImage, i, "image %s", id)
	case boxes:
		problems.Add(problem.ObjectsWithoutClassLabel, i, "image %s", id)
	default:
		problems.Add(problem.NoClassLabel, i, "image %s", id)
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
			switch {
			case counts[i] > 0:
			case split == contract.SplitTest:
				problems.Add(problem.ClassMissingInTest, i, "%q", c.Name)
			default:
				problems.Add(problem.ClassMissingInSplit, i, "%q in %s", c.Name, split)
			}
		}
	}
}
