package geometry

import (
	"math"
	"slices"
)

// rasterSide is how many pixels an object is across and down whose union is not
// worked out exactly.
const rasterSide = 1024

// uniteByPixels is Unite for more than an exact union has time for.
func uniteByPixels(rings []Ring) []Ring {
	b := Bounds(rings...)
	scale := [2]float64{rasterSide / max(b[2]-b[0], 1e-6), rasterSide / max(b[3]-b[1], 1e-6)}
	const w, h = rasterSide + 1, rasterSide + 1
	all, one := make([]bool, w*h), make([]bool, w*h)
	for _, r := range rings {
		scaled := make(Ring, len(r)/2*2)
		for i := range scaled {
			scaled[i] = (r[i] - b[i%2]) * scale[i%2]
		}
		fill(one, w, h, scaled)
		box := Bounds(scaled)
		for x := int(box[0]); x <= int(box[2]); x++ {
			for y := int(box[1]); y <= int(box[3]); y++ {
				if i := x*h + y; one[i] {
					all[i], one[i] = true, false
				}
			}
		}
	}
	var out []Ring
	for _, l := range traceAll(all, w, h) {
		for i := range l.ring {
			l.ring[i] = min(l.ring[i]/scale[i%2]+b[i%2], b[2+i%2])
		}
		out = append(out, l.ring)
	}
	return out
}

// fill turns on the pixels whose middle is in the ring, by columns.
func fill(on []bool, w, h int, r Ring) {
	box := Bounds(r)
	first := max(0, int(box[0]))
	crossings := make([][]float64, max(0, min(w, int(box[2])+1)-first))
	n := len(r) / 2
	for i := range n {
		j := (i + 1) % n
		x1, y1, x2, y2 := r[2*i], r[2*i+1], r[2*j], r[2*j+1]
		if x1 > x2 {
			x1, y1, x2, y2 = x2, y2, x1, y1
		}
		for x := max(first, int(math.Ceil(x1-0.5))); x-first < len(crossings) && float64(x)+0.5 < x2; x++ {
			crossings[x-first] = append(crossings[x-first], y1+(float64(x)+0.5-x1)/(x2-x1)*(y2-y1))
		}
	}
	for x, list := range crossings {
		slices.Sort(list)
		for k := 0; k+1 < len(list); k += 2 {
			for y := max(0, int(math.Ceil(list[k]-0.5))); y < h && float64(y)+0.5 < list[k+1]; y++ {
				on[(first+x)*h+y] = true
			}
		}
	}
}
