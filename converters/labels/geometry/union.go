package geometry

import (
	"math"
	"slices"
)

// Unite returns rings that cover what any of the given rings covers, once: the
// parts of an object may overlap, repeat or contain each other (COCO takes their
// union), and in one ring two layers would cancel out. A ring by itself is
// filled by the even-odd rule, as every rasteriser of labels does. Rings that
// keep apart are returned as they are. Else outer rings come back with a
// positive Area and the holes between them with a negative one.
func Unite(rings []Ring) []Ring {
	if len(rings) < 2 || apart(rings) {
		return rings
	}
	if points(rings) > maxPoints {
		return uniteByPixels(rings)
	}
	g := newGrid(rings)
	edges, ok := node(g.edges(rings))
	if !ok {
		return uniteByPixels(rings)
	}
	return g.rings(trails(borders(edges, len(rings))))
}

// maxPoints is up to how many points a union is exact: nobody draws as many.
const maxPoints = 1 << 17

func points(rings []Ring) int {
	n := 0
	for _, r := range rings {
		n += len(r) / 2
	}
	return n
}

// Covered is the area that the rings cover together.
func Covered(rings []Ring) float64 {
	united := Unite(rings)
	sum := 0.0
	if len(rings) < 2 || &united[0] == &rings[0] {
		for _, r := range rings {
			sum += math.Abs(Area(r))
		}
		return sum
	}
	for _, r := range united {
		sum += Area(r)
	}
	return sum
}

// apart reports whether no two rings' bounding boxes share an area, or that it
// would take too long to say: a mask of noise has a hundred thousand regions.
func apart(rings []Ring) bool {
	boxes := make([][4]float64, len(rings))
	for i, r := range rings {
		boxes[i] = Bounds(r)
	}
	slices.SortFunc(boxes, func(a, b [4]float64) int {
		switch {
		case a[0] < b[0]:
			return -1
		case a[0] > b[0]:
			return 1
		}
		return 0
	})
	pairs := 0
	for i, a := range boxes {
		for _, b := range boxes[i+1:] {
			if b[0] >= a[2] {
				break
			}
			if b[1] < a[3] && a[1] < b[3] {
				return false
			}
			if pairs++; pairs > maxPairs {
				return false
			}
		}
	}
	return true
}

// grid is the plane in whole numbers, in which a crossing is exact: floating
// point would place it on the wrong side of an edge now and then.
type grid struct {
	scale    float64 // grid steps a pixel, a power of two
	left     float64
	top      float64
	original map[point][2]float64 // coordinates of points that were given
}

// point is a point of the grid, from 0 to gridSide.
type point struct{ x, y int64 }

// gridSide keeps the products of doubled differences within an int64. It is
// finer than the six decimals that labels are written with.
const gridSide = 1 << 27

func newGrid(rings []Ring) *grid {
	b := Bounds(rings...)
	side := max(b[2]-b[0], b[3]-b[1], 1e-6)
	return &grid{
		scale: math.Exp2(math.Floor(math.Log2(gridSide / side))), left: b[0], top: b[1],
		original: make(map[point][2]float64),
	}
}

// edge joins two points; from is above to, or left of it at the same height.
type edge struct {
	from, to point
	part     int32
}

func newEdge(a, b point, part int32) edge {
	if b.y < a.y || (b.y == a.y && b.x < a.x) {
		a, b = b, a
	}
	return edge{a, b, part}
}

// edges are the sides of all rings that have a length.
func (g *grid) edges(rings []Ring) []edge {
	var list []edge
	for part, r := range rings {
		n := len(r) / 2
		for i := range n {
			a, b := g.snap(r[2*i], r[2*i+1]), g.snap(r[2*((i+1)%n)], r[2*((i+1)%n)+1])
			if a != b {
				list = append(list, newEdge(a, b, int32(part)))
			}
		}
	}
	return list
}

func (g *grid) snap(x, y float64) point {
	p := point{int64(math.Round((x - g.left) * g.scale)), int64(math.Round((y - g.top) * g.scale))}
	if _, known := g.original[p]; !known {
		g.original[p] = [2]float64{x, y}
	}
	return p
}

// rings turns rings of points into pixels, without the points on a straight line
// and the rings without an area.
func (g *grid) rings(loops [][]point) []Ring {
	out := make([]Ring, 0, len(loops))
	for _, loop := range loops {
		loop = corners(loop)
		ring := make(Ring, 0, 2*len(loop))
		for _, p := range loop {
			xy, known := g.original[p]
			if !known {
				xy = [2]float64{g.left + float64(p.x)/g.scale, g.top + float64(p.y)/g.scale}
			}
			ring = append(ring, xy[0], xy[1])
		}
		if len(loop) > 2 && Area(ring) != 0 {
			out = append(out, ring)
		}
	}
	return out
}

// corners drops the points in which a loop goes straight on.
func corners(loop []point) []point {
	out := loop[:0:0]
	for i, p := range loop {
		before, after := loop[(i+len(loop)-1)%len(loop)], loop[(i+1)%len(loop)]
		if side(before, after, p) != 0 || p == before || p == after {
			out = append(out, p)
		}
	}
	return out
}

// side is negative when p is to the right of a line that runs down the picture
// from a to b, positive to its left, and 0 on it.
func side(a, b, p point) int64 {
	return (b.x-a.x)*(p.y-a.y) - (b.y-a.y)*(p.x-a.x)
}
