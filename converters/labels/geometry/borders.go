package geometry

import (
	"cmp"
	"math"
	"slices"
)

// arc is a piece of the border of what is covered, walked with the covered side
// on the right as one looks along it.
type arc struct{ from, to point }

// borders are the edges with something covered on one side only.
func borders(edges []edge, parts int) []arc {
	slices.SortFunc(edges, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.from.y, b.from.y), cmp.Compare(a.from.x, b.from.x),
			cmp.Compare(a.to.y, b.to.y), cmp.Compare(a.to.x, b.to.x), cmp.Compare(a.part, b.part))
	})
	s := newStrips(edges, parts)
	var out []arc
	for i := 0; i < len(edges); {
		same := i + 1
		for same < len(edges) && edges[same].from == edges[i].from && edges[same].to == edges[i].to {
			same++
		}
		left, right := s.sides(edges[i:same])
		switch {
		case left && !right:
			out = append(out, arc{edges[i].from, edges[i].to})
		case right && !left:
			out = append(out, arc{edges[i].to, edges[i].from})
		}
		i = same
	}
	return out
}

// strips are the edges by the horizontal strips of the plane that they cross.
type strips struct {
	edges  []edge
	height int64
	lists  [][]int32
	inside []bool // by part; false between calls of sides
}

func newStrips(edges []edge, parts int) *strips {
	bottom := int64(0)
	for _, e := range edges {
		bottom = max(bottom, e.to.y)
	}
	n := int64(2*math.Sqrt(float64(len(edges)))) + 1
	s := &strips{edges: edges, height: bottom/n + 1, inside: make([]bool, parts)}
	s.lists = make([][]int32, bottom/s.height+1)
	for i, e := range edges {
		for k := e.from.y / s.height; k <= e.to.y/s.height; k++ {
			s.lists[k] = append(s.lists[k], int32(i))
		}
	}
	return s
}

// sides says whether something is covered on the left and on the right of edges
// that lie on one another; of a horizontal one, below and above it. A ray to the
// left counts the edges of each part that it crosses.
func (s *strips) sides(same []edge) (left, right bool) {
	e := same[0]
	middle := point{e.from.x + e.to.x, e.from.y + e.to.y} // doubled, as all below
	double := func(p point) point { return point{2 * p.x, 2 * p.y} }
	var touched []int32
	toggle := func(part int32) {
		s.inside[part] = !s.inside[part]
		touched = append(touched, part)
	}
	for _, i := range s.lists[middle.y/2/s.height] {
		o := s.edges[i]
		if 2*o.from.y <= middle.y && middle.y < 2*o.to.y && side(double(o.from), double(o.to), middle) < 0 {
			toggle(o.part)
		}
	}
	covered := func() bool {
		return slices.ContainsFunc(touched, func(part int32) bool { return s.inside[part] })
	}
	left = covered()
	for _, o := range same {
		toggle(o.part)
	}
	right = covered()
	for _, part := range touched {
		s.inside[part] = false
	}
	return left, right
}

// trails joins the arcs to closed loops. Where loops meet in a point, each turns
// as far towards what is covered as it can, so that they stay apart.
func trails(arcs []arc) [][]point {
	leaving := make(map[point][]int32, len(arcs))
	for i, a := range arcs {
		leaving[a.from] = append(leaving[a.from], int32(i))
	}
	used := make([]bool, len(arcs))
	var loops [][]point
	for i := range arcs {
		if used[i] {
			continue
		}
		var loop []point
		for at := i; at >= 0; at = onward(arcs, leaving, used, at) {
			used[at] = true
			loop = append(loop, arcs[at].from)
		}
		loops = append(loops, loop)
	}
	return loops
}

// onward is the arc with which a loop goes on, or -1 at its end.
func onward(arcs []arc, leaving map[point][]int32, used []bool, at int) int {
	a, best, sharpest := arcs[at], -1, math.Inf(-1)
	for _, i := range leaving[a.to] {
		if used[i] {
			continue
		}
		b := arcs[i]
		dx, dy, ex, ey := float64(a.to.x-a.from.x), float64(a.to.y-a.from.y), float64(b.to.x-b.from.x), float64(b.to.y-b.from.y)
		if turn := math.Atan2(dx*ey-dy*ex, dx*ex+dy*ey); turn > sharpest {
			best, sharpest = int(i), turn
		}
	}
	return best
}
