package geometry

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func rect(x, y, w, h float64) Ring { return Ring{x, y, x + w, y, x + w, y + h, x, y + h} }

// iou compares what the rings cover, each by the even-odd rule, with what one
// written ring covers, by samples over their bounds. Few is for less than can be
// told by samples.
func iou(rings []Ring, written Ring) (value float64, few bool) {
	const n = 100
	b := Bounds(rings...)
	both, either := 0, 0
	for i := range n {
		for k := range n {
			// Irrational steps: samples hit no edge of whole numbers.
			x, y := b[0]+(b[2]-b[0])*(float64(i)+math.Sqrt2/3)/n, b[1]+(b[3]-b[1])*(float64(k)+math.Pi/7)/n
			want := false
			for _, r := range rings {
				want = want || winding(r, x, y)
			}
			got := winding(written, x, y)
			if want && got {
				both++
			}
			if want || got {
				either++
			}
		}
	}
	return float64(both) / float64(either), either < 200
}

func TestUnite(t *testing.T) {
	for name, c := range map[string]struct {
		rings []Ring
		area  float64
	}{
		"twice the same":                {[]Ring{rect(10, 10, 30, 30), rect(10, 10, 30, 30)}, 900},
		"three times the same":          {[]Ring{rect(10, 10, 30, 30), rect(10, 10, 30, 30), rect(10, 10, 30, 30)}, 900},
		"the same, walked backwards":    {[]Ring{rect(0, 0, 10, 10), {0, 0, 0, 10, 10, 10, 10, 0}}, 100},
		"the same, from another corner": {[]Ring{rect(0, 0, 10, 10), {10, 10, 0, 10, 0, 0, 10, 0}}, 100},
		"the same but a hair":           {[]Ring{rect(0, 0, 10, 10), rect(1e-4, 1e-4, 10, 10)}, 100.002},
		"one in the other":              {[]Ring{rect(10, 10, 80, 70), rect(30, 30, 30, 30)}, 5600},
		"in the other, at its edge":     {[]Ring{rect(0, 0, 10, 10), rect(0, 2, 4, 4)}, 100},
		"overlapping":                   {[]Ring{rect(10, 10, 60, 60), rect(40, 30, 60, 60)}, 6000},
		"overlapping by half an edge":   {[]Ring{rect(0, 0, 10, 10), rect(10, 5, 10, 10), rect(5, 5, 10, 10)}, 225},
		"a cross":                       {[]Ring{rect(0, 4, 12, 4), rect(4, 0, 4, 12)}, 80},
		"a frame of four bars":          {[]Ring{rect(0, 0, 30, 5), rect(0, 25, 30, 5), rect(0, 0, 5, 30), rect(25, 0, 5, 30)}, 500},
		"a frame with an island":        {[]Ring{rect(0, 0, 30, 5), rect(0, 25, 30, 5), rect(0, 0, 5, 30), rect(25, 0, 5, 30), rect(10, 10, 5, 5)}, 525},
		"touching in a corner":          {[]Ring{rect(0, 0, 10, 10), rect(10, 10, 10, 10), rect(5, 5, 10, 10)}, 250},
		"an L around a square":          {[]Ring{{0, 0, 20, 0, 20, 10, 10, 10, 10, 20, 0, 20}, rect(12, 12, 4, 4), rect(5, 5, 3, 3)}, 316},
		"a bow tie over a bar":          {[]Ring{{0, 0, 20, 20, 20, 0, 0, 20}, rect(8, 0, 4, 20)}, 200 + 80 - 2*2*2},
		"stripes of one square":         {[]Ring{rect(0, 0, 10, 4), rect(0, 3, 10, 4), rect(0, 6, 10, 4), rect(3, 0, 4, 10)}, 100},
		"very small":                    {[]Ring{rect(0.001, 0.001, 0.01, 0.01), rect(0.006, 0.006, 0.01, 0.01)}, 1.75e-4},
		"very large":                    {[]Ring{rect(0, 0, 1e6, 1e6), rect(5e5, 5e5, 1e6, 1e6)}, 1.75e12},
	} {
		united := Unite(c.rings)
		if got := Covered(c.rings); math.Abs(got-c.area) > 1e-4*c.area {
			t.Errorf("%s: covers %v, want %v: %v", name, got, c.area, united)
		}
		if got, _ := iou(c.rings, Merge(united)); got < 0.99 {
			t.Errorf("%s: the written ring's IoU is %v: %v", name, got, united)
		}
	}
}

func TestUniteLeavesApartWhatIsApart(t *testing.T) {
	for name, rings := range map[string][]Ring{
		"nothing": nil, "one": {rect(0, 0, 5, 5)}, "a bow tie alone": {{0, 0, 10, 10, 10, 0, 0, 10}},
		"two": {rect(20, 0, 5, 5), rect(0, 0, 5, 5)}, "side by side": {rect(0, 0, 5, 5), rect(5, 0, 5, 5)},
	} {
		if got := Unite(rings); !reflect.DeepEqual(got, rings) {
			t.Errorf("%s: %v became %v", name, rings, got)
		}
	}
}

// TestUniteKeepsTheCoordinates: a corner that was given stays as it was given.
func TestUniteKeepsTheCoordinates(t *testing.T) {
	given := map[[2]float64]bool{}
	rings := []Ring{{1.1, 2.2, 33.3, 4.4, 15.5, 26.6}, {10.123456, 3.3, 40.4, 5.5, 18.8, 30.0001}}
	for _, r := range rings {
		for i := 0; i < len(r); i += 2 {
			given[[2]float64{r[i], r[i+1]}] = true
		}
	}
	kept := 0
	for _, r := range Unite(rings) {
		for i := 0; i < len(r); i += 2 {
			if given[[2]float64{r[i], r[i+1]}] {
				kept++
			}
		}
	}
	if kept < 4 {
		t.Errorf("%d of the corners are left: %v", kept, Unite(rings))
	}
}

// anyRings draws parts as people and programs make them: of whole and of broken
// numbers, convex and crossing themselves, repeated, moved a little, one in the
// other.
func anyRings(t *rapid.T) []Ring {
	var rings []Ring
	whole := rapid.Bool().Draw(t, "whole numbers")
	for i := range rapid.IntRange(2, 6).Draw(t, "parts") {
		if i > 0 && rapid.IntRange(0, 3).Draw(t, fmt.Sprint("as before ", i)) == 0 {
			before := rings[rapid.IntRange(0, i-1).Draw(t, fmt.Sprint("which ", i))]
			by := rapid.SampledFrom([]float64{0, 0, 1, 0.001, 3.7}).Draw(t, fmt.Sprint("moved ", i))
			next := make(Ring, len(before))
			for k := range before {
				next[k] = before[k] + by
			}
			rings = append(rings, next)
			continue
		}
		n := rapid.IntRange(3, 9).Draw(t, fmt.Sprint("points ", i))
		ring := make(Ring, 2*n)
		for k := range ring {
			if whole {
				ring[k] = float64(rapid.IntRange(0, 24).Draw(t, fmt.Sprint("c", i, k)))
			} else {
				// Thousandths of a pixel: a side finer than the grid has no area left.
				ring[k] = float64(rapid.IntRange(0, 500_000).Draw(t, fmt.Sprint("c", i, k))) / 1000
			}
		}
		rings = append(rings, ring)
	}
	return rings
}

func TestTheUnionCoversWhatItsPartsCover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rings := anyRings(t)
		united := Unite(rings)
		got, few := iou(rings, Merge(united))
		if !few && got < 0.98 {
			t.Fatalf("IoU %v: %v became %v", got, rings, united)
		}
		for _, r := range united {
			for i, v := range r {
				if b := Bounds(rings...); v < b[i%2] || v > b[2+i%2] {
					t.Fatalf("%v is outside of %v", v, b)
				}
			}
		}
	})
}

func TestTheUnionByPixelsCoversItToo(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 6 {
		var rings []Ring
		for range 2 + r.IntN(4) {
			ring := make(Ring, 6+2*r.IntN(6))
			for k := range ring {
				ring[k] = 7 + 500*r.Float64()*float64(1+9*(k%2))
			}
			rings = append(rings, ring)
		}
		if got, few := iou(rings, Merge(uniteByPixels(rings))); !few && got < 0.98 {
			t.Fatalf("IoU %v: %v", got, rings)
		}
	}
}

// TestManyPartsAreUnitedInTheirTime: a hostile object of a million points too.
func TestManyPartsAreUnitedInTheirTime(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{50, 2_000, 60_000} {
		var rings []Ring
		for range n {
			x, y := r.Float64()*1000, r.Float64()*1000
			rings = append(rings, Ring{x, y, x + 20*r.Float64(), y, x, y + 20*r.Float64()})
		}
		united := Unite(rings)
		if n > 2_000 {
			continue // checked by samples, it would take longer than the union
		}
		if got, _ := iou(rings, Merge(united)); got < 0.98 {
			t.Errorf("%d parts: IoU %v", n, got)
		}
	}
}

// TestARegionInAFilledHoleIsNoHole: its ring would cut it out of the one around.
func TestARegionInAFilledHoleIsNoHole(t *testing.T) {
	rings, holes := Outlines(mask(
		"#######..",
		"#.....#.#",
		"#.###.#..",
		"#.#.#.#.#",
		"#.###.#..",
		"#.....#..",
		"#######.."))
	if len(rings) != 3 || holes != 2 {
		t.Errorf("%d rings, %d holes: %v", len(rings), holes, rings)
	}
}

func BenchmarkUniteOfTwo(b *testing.B) {
	var rings []Ring
	for k := range 2 {
		var r Ring
		for i := range 60 {
			a := float64(i) / 60 * 2 * math.Pi
			r = append(r, 300+float64(60*k)+100*math.Cos(a), 200+80*math.Sin(a))
		}
		rings = append(rings, r)
	}
	for b.Loop() {
		Unite(rings)
	}
}
