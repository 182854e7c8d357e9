package split

import (
	"slices"

	"github.com/vision-platform/trainer-agent/contract"
)

// Move is an image that changed its split so that a class is in both.
type Move struct {
	Image int
	Class int
	To    contract.Split
}

// cover sees to it that train and val both have every class that has two images:
// a training that never sees a class, or never validates it, helps nobody. It moves
// one image a class, from where there are two of it, and never one that is the last
// of another class. Test may lack a class. Of a split that is the dataset's layout
// only images that were shared out move.
func (a *Assignment) cover(d Dataset, out []bool) {
	c := newCensus(d, a, out)
	for _, class := range c.lacking() {
		for _, to := range []contract.Split{contract.SplitTrain, contract.SplitVal} {
			if c.counts[class].of(to) > 0 {
				continue
			}
			if i := c.donor(class); i >= 0 {
				c.move(i, to)
				a.Covered = append(a.Covered, Move{i, class, to})
			}
		}
	}
}

// tally is numbers of images, in the order of contract.Splits. It is no map: a large
// dataset asks a million times.
type tally [3]int

func (t *tally) of(s contract.Split) int {
	if k := slices.Index(contract.Splits, s); k >= 0 {
		return t[k]
	}
	return 0
}

func (t *tally) add(s contract.Split, n int) {
	if k := slices.Index(contract.Splits, s); k >= 0 {
		t[k] += n
	}
}

// census counts the classes of every split.
type census struct {
	d      Dataset
	a      *Assignment
	usable []bool
	fixed  []bool         // may not move; nil when all may
	counts map[int]*tally // images, by class
	sizes  tally
	images map[int][]int // of the classes that a split lacks
}

func newCensus(d Dataset, a *Assignment, out []bool) *census {
	c := &census{d: d, a: a, usable: make([]bool, len(a.Splits)), counts: make(map[int]*tally)}
	if d.Fixed && a.Source == FromImages {
		c.fixed = make([]bool, len(a.Splits))
		for i := range c.fixed {
			c.fixed[i] = true
		}
		for _, i := range a.Auto {
			c.fixed[i] = false
		}
	}
	for i, s := range a.Splits {
		if c.usable[i] = !out[i] && (d.Unusable == nil || !d.Unusable(i)); c.usable[i] {
			c.count(i, s, 1)
		}
	}
	return c
}

func (c *census) count(image int, s contract.Split, n int) {
	c.sizes.add(s, n)
	for _, class := range c.d.Classes(image) {
		t := c.counts[class]
		if t == nil {
			t = new(tally)
			c.counts[class] = t
		}
		t.add(s, n)
	}
}

// lacking are the classes that train or val has no image of, in index order, and
// notes their images.
func (c *census) lacking() []int {
	c.images = make(map[int][]int)
	for class, n := range c.counts {
		if n.of(contract.SplitTrain) == 0 || n.of(contract.SplitVal) == 0 {
			c.images[class] = nil
		}
	}
	if len(c.images) == 0 {
		return nil
	}
	for i := range c.a.Splits {
		if !c.usable[i] {
			continue
		}
		for _, class := range c.d.Classes(i) {
			if list, lacks := c.images[class]; lacks {
				c.images[class] = append(list, i)
			}
		}
	}
	return sortedKeys(c.images)
}

// donor is the last image of a class in the split that has most of it and at least
// two; -1 when there is none that may go.
func (c *census) donor(class int) int {
	splits := slices.Clone(contract.Splits)
	slices.SortStableFunc(splits, func(a, b contract.Split) int { return c.counts[class].of(b) - c.counts[class].of(a) })
	for _, from := range splits {
		if c.counts[class].of(from) < 2 || c.sizes.of(from) < 2 {
			continue
		}
		for _, i := range slices.Backward(c.images[class]) {
			if c.a.Splits[i] == from && c.spare(i, from) && (c.fixed == nil || !c.fixed[i]) {
				return i
			}
		}
	}
	return -1
}

// spare reports whether a split still has every class of an image without it.
func (c *census) spare(image int, from contract.Split) bool {
	for _, class := range c.d.Classes(image) {
		if c.counts[class].of(from) < 2 {
			return false
		}
	}
	return true
}

func (c *census) move(image int, to contract.Split) {
	c.count(image, c.a.Splits[image], -1)
	c.a.Splits[image] = to
	c.count(image, to, 1)
}
