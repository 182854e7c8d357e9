package converters

import (
	"context"
	"slices"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/split"
	"github.com/vision-platform/trainer-agent/converters/write/plan"
)

// copies warns of images that are in the dataset twice, under two names, and
// contradict: in two splits, where the dataset itself says what is in which (a folder
// of validation images copied among those for training makes every score of the job
// too good), or in two folders of classes.
func (j *conversion) copies(ctx context.Context, p *plan.Plan, files []images.File) error {
	given := j.split != nil && j.split.Source == split.FromImages
	labelled := slices.ContainsFunc(j.catalog.Images, func(im dataset.Image) bool { return im.Label >= 0 })
	if !given && !labelled {
		return nil
	}
	list := make([]images.File, len(p.Images))
	for k, im := range p.Images {
		list[k] = files[im.Index]
	}
	groups, err := images.Equal(ctx, list)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if given {
			j.acrossSplits(g, p, files)
		}
		j.acrossClasses(g, p, files)
	}
	return nil
}

func (j *conversion) acrossSplits(group []int, p *plan.Plan, files []images.File) {
	first := map[contract.Split]int{} // in this group
	for _, k := range group {
		im := p.Images[k]
		for _, s := range contract.Splits {
			if other, there := first[s]; there && s != im.Split {
				j.problems.Add(problem.SameContent, im.Index, "%q in %s is %q in %s", files[im.Index].Rel, im.Split, files[p.Images[other].Index].Rel, s)
				break
			}
		}
		if _, there := first[im.Split]; !there {
			first[im.Split] = k
		}
	}
}

func (j *conversion) acrossClasses(group []int, p *plan.Plan, files []images.File) {
	for _, k := range group[1:] {
		one, other := p.Images[group[0]].Index, p.Images[k].Index
		a, b := j.catalog.Images[one].Label, j.catalog.Images[other].Label
		if a >= 0 && b >= 0 && a != b {
			j.problems.Add(problem.SameContentClasses, other, "%q is %q", files[other].Rel, files[one].Rel)
		}
	}
}
