package yolo

import "math"

// micros is v in millionths, rounded as Python's "%.6f" and strconv's 'f' format
// round: to the nearest, by the exact value of the float64, a tie to even. It
// takes 0 ≤ v < 2^30.
func micros(v float64) int64 {
	product := v * 1e6
	lost := math.FMA(v, 1e6, -product) // product + lost is exact
	n := int64(product)
	above := product - float64(n) - 0.5 // exact near the tie, where it counts
	if above > -lost || (above == -lost && n&1 == 1) {
		n++
	}
	return n
}
