// Package geometry is the plane geometry of labels: boxes, rings and masks in
// pixels, x to the right and y down, pixel edges at whole numbers.
//
// It promises pure functions that never return a coordinate outside the frame
// they clip to. It leaves the rules what to do with a shape that vanishes to
// package objects.
package geometry

import "math"

// Ring is x1, y1, x2, y2, …; the last point joins the first.
type Ring = []float64

// Turned are the corners of a box of a center, a width and a height, turned clockwise
// as the image is seen, by radians.
func Turned(cx, cy, width, height, angle float64) Ring {
	sin, cos := math.Sincos(angle)
	ring := make(Ring, 0, 8)
	for _, at := range [][2]float64{{-1, -1}, {1, -1}, {1, 1}, {-1, 1}} {
		x, y := at[0]*width/2, at[1]*height/2
		ring = append(ring, cx+x*cos-y*sin, cy+x*sin+y*cos)
	}
	return ring
}

// Bounds is the smallest box x1, y1, x2, y2 around the rings.
func Bounds(rings ...Ring) (box [4]float64) {
	box = [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for _, r := range rings {
		for i := 0; i+1 < len(r); i += 2 {
			x, y := r[i], r[i+1]
			if x < box[0] {
				box[0] = x
			}
			if x > box[2] {
				box[2] = x
			}
			if y < box[1] {
				box[1] = y
			}
			if y > box[3] {
				box[3] = y
			}
		}
	}
	return box
}

// Area is the signed area of a ring (shoelace); a self-crossing ring's lobes
// count against each other.
func Area(r Ring) float64 {
	sum := 0.0
	n := len(r) / 2
	for i := range n {
		j := (i + 1) % n
		sum += r[2*i]*r[2*j+1] - r[2*j]*r[2*i+1]
	}
	return sum / 2
}

// Inside reports whether every point of a ring is in the frame.
func Inside(r Ring, width, height float64) bool {
	for i := 0; i+1 < len(r); i += 2 {
		if r[i] < 0 || r[i] > width || r[i+1] < 0 || r[i+1] > height {
			return false
		}
	}
	return true
}

// Clip cuts a ring to the frame (Sutherland–Hodgman). Parts of a concave ring
// stay joined along the frame's edge. The result may be empty.
func Clip(r Ring, width, height float64) Ring {
	if Inside(r, width, height) {
		return r
	}
	for _, edge := range [...]struct {
		axis  int
		limit float64
		keep  func(v, limit float64) bool
	}{
		{0, 0, atLeast}, {0, width, atMost}, {1, 0, atLeast}, {1, height, atMost},
	} {
		r = clipEdge(r, edge.axis, edge.limit, edge.keep)
	}
	return r
}

func atLeast(v, limit float64) bool { return v >= limit }
func atMost(v, limit float64) bool  { return v <= limit }

func clipEdge(r Ring, axis int, limit float64, keep func(v, limit float64) bool) Ring {
	n := len(r) / 2
	out := make(Ring, 0, len(r)+4)
	for i := range n {
		a, b := r[2*i:2*i+2], r[2*((i+1)%n):][:2]
		inA, inB := keep(a[axis], limit), keep(b[axis], limit)
		if inA {
			out = append(out, a[0], a[1])
		}
		if inA != inB {
			t := (limit - a[axis]) / (b[axis] - a[axis])
			p := [2]float64{a[0] + t*(b[0]-a[0]), a[1] + t*(b[1]-a[1])}
			p[axis] = limit
			out = append(out, p[0], p[1])
		}
	}
	return out
}

// Distinct drops points that repeat the one before, and a last point that
// repeats the first. It returns r itself when there are none.
func Distinct(r Ring) Ring {
	n := len(r) / 2
	repeats := false
	for i := range n {
		j := (i + 1) % n
		if n > 1 && r[2*i] == r[2*j] && r[2*i+1] == r[2*j+1] {
			repeats = true
			break
		}
	}
	if !repeats {
		return r
	}
	out := make(Ring, 0, len(r))
	for i := range n {
		k := len(out)
		if k == 0 || out[k-2] != r[2*i] || out[k-1] != r[2*i+1] {
			out = append(out, r[2*i], r[2*i+1])
		}
	}
	for len(out) > 2 && out[0] == out[len(out)-2] && out[1] == out[len(out)-1] {
		out = out[:len(out)-2]
	}
	return out
}
