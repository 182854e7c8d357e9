package geometry

import "math"

// maxPairs bounds the pairs of points that Merge compares, to a few hundredths of
// a second: a mask of noise has a hundred thousand regions.
const maxPairs = 1 << 24

// Merge joins the rings of one object to a single ring, as a format with one
// ring an object needs it: each ring is bridged to the ones before it where they
// are nearest, there and back along the same line, so the bridge has no area
// (the method of Ultralytics' merge_multi_segment). Rings of very many points are
// bridged from one to the next, wherever they begin.
func Merge(rings []Ring) Ring {
	if len(rings) == 0 {
		return nil
	}
	if len(rings) > 1 && pairs(rings) > maxPairs {
		return chain(rings)
	}
	out := rings[0]
	for _, next := range rings[1:] {
		i, j := nearest(out, next)
		merged := make(Ring, 0, len(out)+len(next)+4)
		merged = append(merged, out[:2*i+2]...)
		merged = append(merged, next[2*j:]...)
		merged = append(merged, next[:2*j+2]...)
		merged = append(merged, out[2*i:]...)
		out = merged
	}
	return out
}

// pairs is how many pairs of points the nearest bridges take to find.
func pairs(rings []Ring) int {
	n, before := 0, 0
	for _, r := range rings {
		points := len(r)/2 + 2 // with the bridge's ends
		n += before * points
		before += points
	}
	return n
}

// chain walks all rings, each closed, and back along their first points.
func chain(rings []Ring) Ring {
	points := 0
	for _, r := range rings {
		points += len(r) + 4
	}
	out := make(Ring, 0, points)
	for _, r := range rings {
		out = append(append(out, r...), r[0], r[1])
	}
	for k := len(rings) - 2; k >= 0; k-- {
		out = append(out, rings[k][0], rings[k][1])
	}
	return out
}

// nearest finds the points of two rings with the smallest distance.
func nearest(a, b Ring) (i, j int) {
	best := math.Inf(1)
	for p := 0; p+1 < len(a); p += 2 {
		for q := 0; q+1 < len(b); q += 2 {
			dx, dy := a[p]-b[q], a[p+1]-b[q+1]
			if d := dx*dx + dy*dy; d < best {
				best, i, j = d, p/2, q/2
			}
		}
	}
	return i, j
}
