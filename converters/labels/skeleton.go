package labels

import (
	"strings"

	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

// Skeleton is what all poses of a dataset share.
type Skeleton struct {
	Points int   // 0 when there are no keypoints
	Dims   int   // numbers a point in the file: 2 or 3
	Flip   []int // index of each point's mirror image; nil when it is not known
}

// newSkeleton decides once for the dataset how its keypoints are meant.
func newSkeleton(c *dataset.Catalog) Skeleton {
	s := Skeleton{Dims: dims(c)}
	counts := make(map[int]int)
	for i := range c.Objects.Len() {
		if o := c.Objects.At(i); o.Keypoints != nil {
			if n := pointsOf(o, s.Dims); n > 0 {
				counts[n]++
			}
		}
	}
	if n := len(c.KeypointNames); n > 0 && counts[n] > 0 {
		s.Points = n
	} else {
		for n, times := range counts {
			if times > counts[s.Points] || (times == counts[s.Points] && n > s.Points) {
				s.Points = n
			}
		}
	}
	switch {
	case len(c.Flip) == s.Points && isInvolution(c.Flip):
		s.Flip = c.Flip
	case len(c.KeypointNames) == s.Points:
		s.Flip = mirror(c.KeypointNames)
	}
	return s
}

// dims is 3 when flat lists are triples everywhere: their length divides by
// three and every third number is a visibility.
func dims(c *dataset.Catalog) int {
	triples := true
	for i := range c.Objects.Len() {
		o := c.Objects.At(i)
		switch {
		case o.Keypoints == nil:
		case o.Dims != 0:
			return int(o.Dims)
		case len(o.Keypoints)%3 != 0:
			return 2
		default:
			for k := 2; k < len(o.Keypoints); k += 3 {
				v := o.Keypoints[k]
				triples = triples && (v == 0 || v == 1 || v == 2)
			}
		}
	}
	if triples {
		return 3
	}
	return 2
}

// pointsOf is how many points an annotation has, or -1 when its numbers do not
// make whole points.
func pointsOf(o *dataset.Object, dims int) int {
	if o.Dims != 0 {
		dims = int(o.Dims)
	}
	if len(o.Keypoints)%dims != 0 {
		return -1
	}
	return len(o.Keypoints) / dims
}

// mirror pairs names that differ in left and right only. A point without a
// partner is its own mirror image.
func mirror(names []string) []int {
	index := make(map[string]int, len(names))
	for i, n := range names {
		index[strings.ToLower(n)] = i
	}
	swap := strings.NewReplacer("left", "right", "right", "left")
	flip := make([]int, len(names))
	for i, n := range names {
		flip[i] = i
		n = strings.ToLower(n)
		for _, other := range []string{swap.Replace(n), swapSide(n)} {
			if j, ok := index[other]; ok && other != n {
				flip[i] = j
				break
			}
		}
	}
	if !isInvolution(flip) {
		return nil // two points claim one partner
	}
	return flip
}

// isInvolution reports whether every point's mirror image has the point as its
// own.
func isInvolution(flip []int) bool {
	for i, j := range flip {
		if j < 0 || j >= len(flip) || flip[j] != i {
			return false
		}
	}
	return true
}

// swapSide turns l_ankle to r_ankle and ankle_l to ankle_r.
func swapSide(n string) string {
	for _, pair := range [][2]string{{"l", "r"}, {"r", "l"}} {
		for _, sep := range []string{"_", "-", " "} {
			if rest, ok := strings.CutPrefix(n, pair[0]+sep); ok {
				return pair[1] + sep + rest
			}
			if rest, ok := strings.CutSuffix(n, sep+pair[0]); ok {
				return rest + sep + pair[1]
			}
		}
	}
	return n
}

// keypoints returns x, y, v for every point of the skeleton. A point that is not
// labelled is 0, 0, 0: some readers drop the image for coordinates out of range,
// whatever the visibility.
func (c cleaner) keypoints() ([]float64, bool) {
	n, dims := c.Skeleton.Points, c.Skeleton.Dims
	if c.o.Dims != 0 {
		dims = int(c.o.Dims)
	}
	if c.o.Keypoints != nil && (n == 0 || pointsOf(c.o, dims) != n) {
		c.report(problem.KeypointCount)
		return nil, false
	}
	if n == 0 {
		return nil, false // counted once for the dataset
	}
	out := make([]float64, 3*n)
	if c.o.Keypoints == nil {
		c.report(problem.BoxWithoutKeypoints)
		return out, true
	}
	if c.pointsAreFractions(dims) {
		c.report(problem.ShapeLooksNormalized)
		return nil, false
	}
	for p := range n {
		at := c.o.Keypoints[p*dims:]
		x, y, v := at[0], at[1], 2.0
		if dims == 3 {
			v = at[2]
		}
		if v != 0 && v != 1 && v != 2 {
			c.report(problem.KeypointVisibility)
			return nil, false
		}
		if v == 0 {
			continue
		}
		if c.o.Format >= dataset.XYWHNormalized {
			x, y = x*c.width, y*c.height
		}
		if x < 0 || y < 0 || x > c.width || y > c.height {
			c.report(problem.KeypointOutside)
			continue
		}
		out[3*p], out[3*p+1], out[3*p+2] = x, y, v
	}
	return out, true
}
