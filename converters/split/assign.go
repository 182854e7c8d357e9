package split

import (
	"cmp"
	"fmt"

	"github.com/vision-platform/trainer-agent/contract"
)

// Image is what the splitter sees of an image.
type Image struct {
	ID    string         // unique in the dataset; a number as its decimal text
	File  string         // as the dataset spells it
	Given contract.Split // the image's own split field; empty for null
	Field bool           // the image has a split field, even if it is null
}

// Dataset is what there is to split.
type Dataset struct {
	Images []Image                 // in file order, which decides the outcome
	Config *contract.SplitStrategy // the dataset's split_config, or nil
	Fixed  bool                    // the images' own splits are the layout of the dataset
	// Classes are the distinct class indexes in image i, until the next call.
	Classes func(i int) []int
	// Measured keeps images that are all for validation or all for testing as they
	// are: a test set. Without it that says nothing of how to share them out.
	Measured bool
	// Unusable images take their part in the draw, so that a missing file does
	// not change an old job's split, but do not fill a split. It may be nil.
	Unusable func(i int) bool
}

// Source says where a split came from, in the words of the report.
type Source string

// The sources of a split, in their order of priority.
const (
	FromJob     Source = "job"     // SPLIT_STRATEGY
	FromConfig  Source = "dataset" // split_config of the dataset
	FromImages  Source = "images"  // the images' own split fields
	FromDefault Source = "default" // neither said anything
)

// Assignment is the outcome.
type Assignment struct {
	Splits   []contract.Split // one for each image; empty means excluded
	Source   Source
	Ratio    []float64 // of the images that were assigned automatically
	Seed     int64
	Auto     []int    // images that were assigned automatically, in file order
	Excluded []int    // images that the job leaves out
	Moved    []int    // images moved so that neither train nor val is empty
	Lost     []Lost   // splits whose images, which were given to them, are all unusable
	Unknown  []string // ids that the split names and the dataset lacks, in key order
	Unlisted []int    // images that a splits map does not name
	Ignored  int      // split fields that are not used because other images have none
	Covered  []Move   // images moved so that train and val have every class
	Silent   []Silent // what put all images into one split and was passed over
	testSet  bool     // all images are in one split, and stay there
}

// Silent is a split that has all images in one part: it says nothing of how to
// share them out.
type Silent struct {
	Source Source
	Split  contract.Split
}

// Lost is a split that was given images, none of which can be used.
type Lost struct {
	Split  contract.Split
	Images int
}

// Assign applies the priorities of section 6 of the contract: the job's strategy
// unless it says use_dataset, the dataset's split_config, the images' own fields if
// every image has one, and else the default ratio. What puts all images into one
// split is passed over.
//
// An error means that the split contradicts itself.
func Assign(d Dataset, job *contract.SplitStrategy) (*Assignment, error) {
	a := &Assignment{Splits: make([]contract.Split, len(d.Images))}
	job, d.Config = respelled(job, d.Images), respelled(d.Config, d.Images)
	plan := a.choose(d, job)
	a.Ratio, a.Seed = plan.Ratio, *plan.Seed
	out := a.exclude(d, job, plan)
	if err := a.listed(d, plan, out); err != nil {
		return nil, err
	}
	a.lost(d, out)
	a.automatic(d, plan, out)
	if a.testSet {
		return a, nil
	}
	a.fillEmpty(d, out)
	stands := d.Fixed && a.Source == FromImages && len(a.Auto) == 0
	if d.Classes != nil && plan.CustomSplits == nil && !stands {
		a.cover(d, out)
	}
	return a, nil
}

// choose picks the strategy, with ratio and seed filled in.
func (a *Assignment) choose(d Dataset, job *contract.SplitStrategy) contract.SplitStrategy {
	var plan contract.SplitStrategy
	switch {
	case job != nil && job.Method != contract.SplitUseDataset && !a.silent(d, FromJob, listedSplits(d, job)):
		a.Source, plan = FromJob, *job
		if job.Method != contract.SplitCustom {
			plan.CustomSplits = nil
		}
	case d.Config != nil && (len(d.Config.CustomSplits) > 0 || d.Config.Ratio != nil) && !a.silent(d, FromConfig, listedSplits(d, d.Config)):
		a.Source, plan = FromConfig, *d.Config
	default:
		a.Source = FromDefault
		if fields, values := countFields(d.Images); values == 0 || fields != len(d.Images) {
			a.Ignored = values
		} else if !a.silent(d, FromImages, func(i int) contract.Split { return d.Images[i].Given }) {
			a.Source = FromImages
		}
	}
	if job != nil {
		plan.Stratify = plan.Stratify || job.Stratify
	}
	for _, other := range []*contract.SplitStrategy{job, d.Config} {
		if other == nil {
			continue
		}
		if plan.Ratio == nil {
			plan.Ratio = other.Ratio
		}
		if plan.Seed == nil {
			plan.Seed = other.Seed
		}
	}
	if plan.Ratio == nil {
		plan.Ratio = contract.DefaultSplitRatio
	}
	if plan.Seed == nil {
		seed := int64(contract.DefaultSplitSeed)
		plan.Seed = &seed
	}
	return plan
}

// listedSplits are the splits that a strategy names, by image; nil when it names
// none.
func listedSplits(d Dataset, s *contract.SplitStrategy) func(i int) contract.Split {
	if s.Method != contract.SplitCustom || len(s.CustomSplits) == 0 {
		return nil
	}
	return func(i int) contract.Split {
		return cmp.Or(s.CustomSplits[d.Images[i].ID], s.CustomSplits[d.Images[i].File])
	}
}

// silent notes a split that has all images, two or more, in one part. That of a test
// set speaks.
func (a *Assignment) silent(d Dataset, from Source, of func(i int) contract.Split) bool {
	if of == nil || len(a.Splits) == 0 {
		return false
	}
	one := of(0)
	for i := range a.Splits {
		if s := of(i); s == "" || s != one {
			return false
		}
	}
	a.testSet = d.Measured && one != contract.SplitTrain
	if a.testSet || len(a.Splits) < 2 {
		return false
	}
	a.Silent = append(a.Silent, Silent{from, one})
	return true
}

func countFields(images []Image) (fields, values int) {
	for _, im := range images {
		if im.Field {
			fields++
		}
		if im.Given != "" {
			values++
		}
	}
	return fields, values
}

// exclude returns which images are left out; both the job's and the chosen
// strategy's lists count.
func (a *Assignment) exclude(d Dataset, job *contract.SplitStrategy, plan contract.SplitStrategy) []bool {
	names := make(map[string]bool)
	for _, s := range []*contract.SplitStrategy{job, &plan} {
		if s == nil {
			continue
		}
		for _, id := range s.ExcludeImages {
			names[id] = false
		}
	}
	out := make([]bool, len(d.Images))
	if len(names) == 0 {
		return out
	}
	for i, im := range d.Images {
		for _, name := range [...]string{im.ID, im.File} {
			if _, named := names[name]; named {
				names[name], out[i] = true, true
			}
		}
		if out[i] {
			a.Excluded = append(a.Excluded, i)
		}
	}
	a.Unknown = append(a.Unknown, unused(names)...)
	return out
}

// listed applies what is given: the images' own fields or a map of splits.
func (a *Assignment) listed(d Dataset, plan contract.SplitStrategy, out []bool) error {
	if a.Source == FromImages {
		for i, im := range d.Images {
			if !out[i] {
				a.Splits[i] = im.Given
			}
		}
		return nil
	}
	if plan.CustomSplits == nil {
		return nil
	}
	names := make(map[string]bool, len(plan.CustomSplits))
	for name := range plan.CustomSplits {
		names[name] = false
	}
	for i, im := range d.Images {
		byID, idNamed := plan.CustomSplits[im.ID]
		byFile, fileNamed := plan.CustomSplits[im.File]
		if idNamed && fileNamed && byID != byFile {
			return fmt.Errorf("image %q is in two splits: %q by its id and %q by its file name %q", im.ID, byID, byFile, im.File)
		}
		if idNamed {
			names[im.ID] = true
		}
		if fileNamed {
			names[im.File] = true
		}
		switch {
		case out[i]:
		case idNamed:
			a.Splits[i] = byID
		case fileNamed:
			a.Splits[i] = byFile
		default:
			a.Unlisted = append(a.Unlisted, i)
		}
	}
	a.Unknown = append(a.Unknown, unused(names)...)
	return nil
}

// lost looks, before images are assigned automatically, at what became of the given
// ones. One moved in their place would hide that they are gone.
func (a *Assignment) lost(d Dataset, out []bool) {
	if d.Unusable == nil {
		return
	}
	given, usable := make(map[contract.Split]int), make(map[contract.Split]int)
	for i, s := range a.Splits {
		if s == "" || out[i] {
			continue
		}
		given[s]++
		if !d.Unusable(i) {
			usable[s]++
		}
	}
	for _, s := range contract.Splits {
		if given[s] > 0 && usable[s] == 0 {
			a.Lost = append(a.Lost, Lost{s, given[s]})
		}
	}
}

// fillEmpty moves an image into an empty train or val when there are at least
// two images: the last one, in file order, of the largest split.
func (a *Assignment) fillEmpty(d Dataset, out []bool) {
	counts := make(map[contract.Split]int)
	total := 0
	usable := func(i int) bool { return !out[i] && (d.Unusable == nil || !d.Unusable(i)) }
	for i, s := range a.Splits {
		if usable(i) {
			counts[s]++
			total++
		}
	}
	for _, empty := range []contract.Split{contract.SplitTrain, contract.SplitVal} {
		if counts[empty] > 0 || total == 0 || (empty == contract.SplitVal && total < 2) {
			continue
		}
		donor := largest(counts)
		for i := len(a.Splits) - 1; i >= 0; i-- {
			if a.Splits[i] == donor && usable(i) {
				a.Splits[i] = empty
				a.Moved = append(a.Moved, i)
				counts[donor]--
				counts[empty]++
				break
			}
		}
	}
}

// largest is the split with the most images; on a tie, test gives before train
// and val, which would be empty in their turn.
func largest(counts map[contract.Split]int) contract.Split {
	best := contract.SplitTest
	for _, s := range contract.Splits {
		if counts[s] > counts[best] {
			best = s
		}
	}
	return best
}
