package geometry

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/vision-platform/trainer-agent/converters/dataset"
)

// mask packs rows of '#' and '.' to an RLE.
func mask(rows ...string) *dataset.RLE {
	m := &dataset.RLE{Height: len(rows), Width: len(rows[0])}
	value, run := byte('.'), uint32(0)
	for x := range m.Width {
		for y := range m.Height {
			if rows[y][x] != value {
				m.Counts = append(m.Counts, run)
				value, run = rows[y][x], 0
			}
			run++
		}
	}
	m.Counts = append(m.Counts, run)
	return m
}

func TestOutlines(t *testing.T) {
	for _, c := range []struct {
		name  string
		mask  *dataset.RLE
		want  []Ring
		holes int
	}{
		{"nothing", mask("..", ".."), nil, 0},
		{"one pixel", mask("...", ".#.", "..."), []Ring{{2, 1, 2, 2, 1, 2, 1, 1}}, 0},
		{"everything", mask("##", "##"), []Ring{{2, 0, 2, 2, 0, 2, 0, 0}}, 0},
		{"two regions", mask("#.#"), []Ring{{1, 0, 1, 1, 0, 1, 0, 0}, {3, 0, 3, 1, 2, 1, 2, 0}}, 0},
		{"pixels that touch at a corner are one", mask("#.", ".#"), []Ring{{1, 0, 1, 1, 2, 1, 2, 2, 1, 2, 1, 1, 0, 1, 0, 0}}, 0},
		{"a hole is filled", mask("###", "#.#", "###"), []Ring{{3, 0, 3, 3, 0, 3, 0, 0}}, 1},
		{"an L", mask("#.", "##"), []Ring{{1, 0, 1, 1, 2, 1, 2, 2, 0, 2, 0, 0}}, 0},
	} {
		got, holes := Outlines(c.mask)
		if !reflect.DeepEqual(got, c.want) || holes != c.holes {
			t.Errorf("%s: %v, %d holes; want %v, %d", c.name, got, holes, c.want, c.holes)
		}
	}
}

func TestOutlinesEncloseTheirPixels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, w := rapid.IntRange(1, 7).Draw(t, "h"), rapid.IntRange(1, 7).Draw(t, "w")
		rows := make([]string, h)
		for y := range rows {
			rows[y] = string(rapid.SliceOfN(rapid.SampledFrom([]byte("#.")), w, w).Draw(t, fmt.Sprint("row", y)))
		}
		rings, _ := Outlines(mask(rows...))
		for y := range h {
			for x := range w {
				inside := false
				for _, r := range rings {
					inside = inside || winding(r, float64(x)+0.5, float64(y)+0.5)
				}
				if rows[y][x] == '#' && !inside {
					t.Fatalf("%q: pixel %d,%d is outside of %v", rows, x, y, rings)
				}
			}
		}
	})
}

func winding(r Ring, x, y float64) bool {
	in := false
	n := len(r) / 2
	for i := range n {
		j := (i + 1) % n
		x1, y1, x2, y2 := r[2*i], r[2*i+1], r[2*j], r[2*j+1]
		if (y1 > y) != (y2 > y) && x < x1+(y-y1)/(y2-y1)*(x2-x1) {
			in = !in
		}
	}
	return in
}

func TestClipStaysInTheFrame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.SliceOfN(rapid.Float64Range(-200, 300), 6, 30).Draw(t, "ring")
		r = r[:len(r)/2*2]
		out := Clip(r, 100, 80)
		if !Inside(out, 100, 80) {
			t.Fatalf("%v is outside of 100x80", out)
		}
		for _, v := range out {
			if math.IsNaN(v) {
				t.Fatalf("NaN in %v", out)
			}
		}
	})
	square := Ring{-10, -10, 50, -10, 50, 50, -10, 50}
	if got := math.Abs(Area(Clip(square, 100, 100))); got != 2500 {
		t.Errorf("a quarter of the square has area %v, want 2500", got)
	}
}

func TestMergeKeepsTheArea(t *testing.T) {
	a, b := Ring{0, 0, 10, 0, 10, 10, 0, 10}, Ring{20, 0, 30, 0, 30, 10, 20, 10}
	got := Merge([]Ring{a, b})
	if math.Abs(Area(got)) != 200 || len(got) != 20 {
		t.Errorf("%v: area %v, want 200", got, Area(got))
	}
	if one := Merge([]Ring{a}); !reflect.DeepEqual(one, a) {
		t.Errorf("%v", one)
	}
}

// TestAMaskOfNoiseIsMergedInItsTime: bridging each of its regions to the nearest
// one took minutes.
func TestAMaskOfNoiseIsMergedInItsTime(t *testing.T) {
	var rings []Ring
	for k := range 250_000 {
		x, y := float64(k%500*2), float64(k/500*2)
		rings = append(rings, Ring{x, y, x + 1, y, x + 1, y + 1, x, y + 1})
	}
	got := Merge(rings)
	if area := math.Abs(Area(got)); area != 250_000 || len(got) != 250_000*10+249_999*2 {
		t.Errorf("area %v of %d numbers", area, len(got))
	}
}

func TestDistinct(t *testing.T) {
	if got := Distinct(Ring{1, 1, 1, 1, 2, 2, 3, 3, 3, 3, 1, 1}); !reflect.DeepEqual(got, Ring{1, 1, 2, 2, 3, 3}) {
		t.Errorf("%v", got)
	}
}
