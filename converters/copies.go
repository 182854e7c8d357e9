package converters

import (
	"context"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/split"
	"github.com/vision-platform/trainer-agent/converters/write/plan"
)

// copies warns of images that are in two splits under two names, where the dataset
// itself says what is in which: a folder of validation images copied among those
// for training makes every score of the job too good.
func (j *conversion) copies(ctx context.Context, p *plan.Plan, files []images.File) error {
	if j.split == nil || j.split.Source != split.FromImages {
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
		first := map[contract.Split]int{} // in this group
		for _, k := range g {
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
	return nil
}
