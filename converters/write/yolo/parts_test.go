package yolo

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vision-platform/trainer-agent/converters/labels"
	"github.com/vision-platform/trainer-agent/converters/labels/geometry"
)

// layers is how many of the rings are around a point, each by the even-odd rule
// that OpenCV and pycocotools fill by.
func layers(rings []geometry.Ring, x, y float64) (n int) {
	for _, r := range rings {
		in := false
		for i, k := 0, len(r)-2; i < len(r); k, i = i, i+2 {
			if (r[i+1] > y) != (r[k+1] > y) && x < (r[k]-r[i])*(y-r[i+1])/(r[k+1]-r[i+1])+r[i] {
				in = !in
			}
		}
		if in {
			n++
		}
	}
	return n
}

// TestTheWrittenRowCoversTheUnionOfTheParts: COCO takes the union of an object's
// parts; in one row two layers would be none.
func TestTheWrittenRowCoversTheUnionOfTheParts(t *testing.T) {
	const width, height, samples = 128, 96, 120
	rapid.Check(t, func(t *rapid.T) {
		var rings []geometry.Ring
		for len(rings) < rapid.IntRange(2, 5).Draw(t, "parts") {
			if len(rings) > 0 && rapid.IntRange(0, 4).Draw(t, "again") == 0 {
				rings = append(rings, rings[0])
				continue
			}
			x, y := rapid.Float64Range(0, 80).Draw(t, "x"), rapid.Float64Range(0, 60).Draw(t, "y")
			w, h := rapid.Float64Range(4, 48).Draw(t, "w"), rapid.Float64Range(4, 36).Draw(t, "h")
			ring := geometry.Ring{x, y, x + w, y, x + w, y + h, x, y + h}
			if rapid.Bool().Draw(t, "blob") {
				ring = nil
				for a := 0.0; a < 2*math.Pi; a += 0.4 {
					r := rapid.Float64Range(0.3, 0.5).Draw(t, "r")
					ring = append(ring, x+w/2+w*r*math.Cos(a), y+h/2+h*r*math.Sin(a))
				}
			}
			rings = append(rings, ring)
		}
		var l labeler
		l.start(width, height)
		l.add(&labels.Object{Rings: rings})
		var written geometry.Ring
		for i, f := range strings.Fields(string(l.text))[1:] {
			v, err := strconv.ParseFloat(f, 64)
			if err != nil {
				t.Fatal(err)
			}
			written = append(written, v*[2]float64{width, height}[i%2])
		}
		both, either := 0, 0
		for i := range samples {
			for k := range samples {
				x, y := width*(float64(i)+0.47)/samples, height*(float64(k)+0.53)/samples
				want, got := layers(rings, x, y) > 0, layers([]geometry.Ring{written}, x, y) > 0
				if want && got {
					both++
				}
				if want || got {
					either++
				}
			}
		}
		if iou := float64(both) / float64(either); iou < 0.98 {
			t.Fatalf("IoU %v of %v as %s", iou, rings, l.text)
		}
	})
}
