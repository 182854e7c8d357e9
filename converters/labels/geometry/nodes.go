package geometry

import (
	"cmp"
	"math"
	"slices"
)

const (
	// maxCuts bounds the pairs of edges that node compares.
	maxCuts = 1 << 24
	// maxRounds bounds how often edges are cut: a cut moves to the grid, by which
	// an edge may come to cross a neighbour.
	maxRounds = 16
)

// node cuts the edges where they cross or touch, until they meet in their ends
// only. It gives up, with false, on more than any drawn object has.
func node(edges []edge) ([]edge, bool) {
	budget := maxCuts
	for range maxRounds {
		cuts, ok := crossings(edges, &budget)
		if !ok {
			return nil, false
		}
		if len(cuts) == 0 {
			return edges, true
		}
		edges = cut(edges, cuts)
	}
	return nil, false
}

// crossings are the points in which each edge has to be cut, by its index.
func crossings(edges []edge, budget *int) (map[int][]point, bool) {
	slices.SortFunc(edges, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.from.y, b.from.y), cmp.Compare(a.from.x, b.from.x), cmp.Compare(a.to.y, b.to.y), cmp.Compare(a.to.x, b.to.x))
	})
	cuts := make(map[int][]point)
	for i, a := range edges {
		left, right := min(a.from.x, a.to.x), max(a.from.x, a.to.x)
		for k := i + 1; k < len(edges) && edges[k].from.y <= a.to.y; k++ {
			if *budget--; *budget < 0 {
				return nil, false
			}
			b := edges[k]
			if max(b.from.x, b.to.x) < left || min(b.from.x, b.to.x) > right {
				continue
			}
			meet(a, b, func(p point) {
				if p != a.from && p != a.to {
					cuts[i] = append(cuts[i], p)
				}
				if p != b.from && p != b.to {
					cuts[k] = append(cuts[k], p)
				}
			})
		}
	}
	return cuts, true
}

// meet calls at with every point in which two edges touch: one crossing, or the
// ends that lie on the other edge.
func meet(a, b edge, at func(point)) {
	b1, b2 := side(a.from, a.to, b.from), side(a.from, a.to, b.to)
	a1, a2 := side(b.from, b.to, a.from), side(b.from, b.to, a.to)
	if (b1 > 0 && b2 < 0 || b1 < 0 && b2 > 0) && (a1 > 0 && a2 < 0 || a1 < 0 && a2 > 0) {
		at(crossing(b, b1, b2))
		return
	}
	for _, end := range []struct {
		p    point
		side int64
		on   edge
	}{{b.from, b1, a}, {b.to, b2, a}, {a.from, a1, b}, {a.to, a2, b}} {
		if end.side == 0 && within(end.p, end.on) {
			at(end.p)
		}
	}
}

// within reports whether a point on an edge's line lies between its ends.
func within(p point, e edge) bool {
	return p.y >= e.from.y && p.y <= e.to.y && p.x >= min(e.from.x, e.to.x) && p.x <= max(e.from.x, e.to.x)
}

// crossing is the point of the grid where an edge is crossed; s1 and s2 say how
// far on either side of the other one its ends are. A neighbour of the nearest
// point would do as well.
func crossing(e edge, s1, s2 int64) point {
	t := float64(s1) / (float64(s1) - float64(s2))
	along := func(from, to int64) int64 { return from + int64(math.Round(t*float64(to-from))) }
	return point{along(e.from.x, e.to.x), along(e.from.y, e.to.y)}
}

// cut replaces every edge by its pieces.
func cut(edges []edge, cuts map[int][]point) []edge {
	out := make([]edge, 0, len(edges)+2*len(cuts))
	for i, e := range edges {
		points := cuts[i]
		slices.SortFunc(points, func(a, b point) int { return cmp.Compare(distance(e.from, a), distance(e.from, b)) })
		from := e.from
		for _, p := range append(points, e.to) {
			if p != from {
				out = append(out, newEdge(from, p, e.part))
			}
			from = p
		}
	}
	return out
}

func distance(a, b point) int64 { return max(b.x-a.x, a.x-b.x) + max(b.y-a.y, a.y-b.y) }
