package geometry

import "github.com/vision-platform/trainer-agent/converters/dataset"

// Outlines traces the regions of an RLE mask: one ring for each 8-connected
// region, along the pixels' edges, so a ring encloses exactly the region's
// pixels and its holes. Holes is the number of holes that were filled that way;
// a region in a filled hole has no ring of its own.
func Outlines(mask *dataset.RLE) (rings []Ring, holes int) {
	on := decode(mask)
	loops := traceAll(on, mask.Width, mask.Height)
	var outside []bool
	for _, l := range loops {
		if l.hole {
			holes++
		}
	}
	if holes > 0 && len(loops)-holes > 1 {
		outside = surroundings(on, mask.Width, mask.Height)
	}
	for _, l := range loops {
		if !l.hole && (outside == nil || l.y == 0 || outside[l.x*mask.Height+l.y-1]) {
			rings = append(rings, l.ring)
		}
	}
	return rings, holes
}

// loop is one boundary; x and y are the pixel below its first edge.
type loop struct {
	ring Ring
	x, y int
	hole bool
}

// traceAll walks every boundary of the pixels that are on.
func traceAll(on []bool, w, h int) (loops []loop) {
	at := func(x, y int) bool { return x >= 0 && y >= 0 && x < w && y < h && on[x*h+y] }
	// A boundary is walked with the region on the right: outer boundaries start
	// at a pixel with nothing above it, and are told from holes by their sign.
	// Seen marks the upper edges that a walk has passed.
	seen := make([]bool, len(on))
	for x := range w {
		for y := range h {
			if !at(x, y) || at(x, y-1) || seen[x*h+y] {
				continue
			}
			ring := trace(x, y, at, func(x, y int) { seen[x*h+y] = true })
			loops = append(loops, loop{ring, x, y, Area(ring) < 0})
		}
	}
	return loops
}

// surroundings marks the pixels that are off and joined to the frame's edge.
func surroundings(on []bool, w, h int) []bool {
	outside := make([]bool, len(on))
	var next []int
	visit := func(x, y int) {
		if x < 0 || y < 0 || x >= w || y >= h {
			return
		}
		if i := x*h + y; !on[i] && !outside[i] {
			outside[i] = true
			next = append(next, i)
		}
	}
	for x := range w {
		visit(x, 0)
		visit(x, h-1)
	}
	for y := range h {
		visit(0, y)
		visit(w-1, y)
	}
	for len(next) > 0 {
		i := next[len(next)-1]
		next = next[:len(next)-1]
		x, y := i/h, i%h
		visit(x-1, y)
		visit(x+1, y)
		visit(x, y-1)
		visit(x, y+1)
	}
	return outside
}

// decode unpacks a mask to one value a pixel, column by column.
func decode(mask *dataset.RLE) []bool {
	on := make([]bool, mask.Width*mask.Height)
	i, value := 0, false
	for _, n := range mask.Counts {
		for range n {
			on[i] = value
			i++
		}
		value = !value
	}
	return on
}

// Directions of a walk along pixel edges, clockwise from right.
var steps = [4][2]int{{1, 0}, {0, 1}, {-1, 0}, {0, -1}}

// trace walks the boundary that starts with the upper edge of pixel (x, y), to
// the right, keeping pixels that are on to its right. Top is told every pixel
// whose upper edge it passes. Corners only become points of the ring.
func trace(x0, y0 int, at func(x, y int) bool, top func(x, y int)) Ring {
	var ring Ring
	x, y, dir := x0, y0, 0
	for {
		if dir == 0 {
			top(x, y)
		}
		x, y = x+steps[dir][0], y+steps[dir][1]
		turn := next(x, y, dir, at)
		if turn != dir {
			ring = append(ring, float64(x), float64(y))
		}
		if dir = turn; x == x0 && y == y0 && dir == 0 {
			return ring
		}
	}
}

// next picks the direction after arriving at corner (x, y): left when the pixel
// ahead on the left is on (regions that touch at a corner are one), straight on
// when the one ahead on the right is, and else right.
func next(x, y, dir int, at func(x, y int) bool) int {
	// The pixels ahead, left and right, of a walk that arrives in direction dir.
	ahead := [4][2][2]int{
		{{x, y - 1}, {x, y}},         // right: left is above, right is below
		{{x, y}, {x - 1, y}},         // down
		{{x - 1, y}, {x - 1, y - 1}}, // left
		{{x - 1, y - 1}, {x, y - 1}}, // up
	}[dir]
	switch {
	case at(ahead[0][0], ahead[0][1]):
		return (dir + 3) % 4
	case at(ahead[1][0], ahead[1][1]):
		return dir
	}
	return (dir + 1) % 4
}
