package yolo

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// TestDecimalsAreWhatStrconvWrites: and strconv's 'f' format writes what Python's
// "%.6f" does.
func TestDecimalsAreWhatStrconvWrites(t *testing.T) {
	check := func(v float64) {
		want := strconv.FormatFloat(v, 'f', 6, 64)
		if got := string(appendDecimal(nil, v)); got != want {
			t.Fatalf("%s, want %s (%x)", got, want, math.Float64bits(v))
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		check(random.Float64())
		check(float64(random.IntN(5000)) / float64(1+random.IntN(5000))) // what boxes come to
		check(float64(random.IntN(1<<21)) / (1 << 21))                   // many are ties
		half := (float64(random.IntN(1_000_000)) + 0.5) / 1e6
		for _, v := range []float64{half, math.Nextafter(half, 0), math.Nextafter(half, 2)} {
			check(v)
		}
		check(math.Ldexp(random.Float64(), random.IntN(60)-40))
	}
	for _, v := range []float64{
		0, 1, 0.5, 1e-6, 5e-7, 0.9999995, 0.9999994999, 1 << 29, math.SmallestNonzeroFloat64, 9.9999995, 12345.6789,
		-0.25, -1e-9, 1 << 30, 1e300, math.Inf(1), math.NaN(), // none of a row, and written all the same
	} {
		check(v)
	}
}
