package yolo

import (
	"math"
	"strconv"
)

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

// appendMicros writes millionths as a number with six decimals, never with an
// exponent.
func appendMicros(text []byte, n int64) []byte {
	whole, f := n/1e6, uint32(n%1e6)
	if whole < 10 {
		text = append(text, '0'+byte(whole))
	} else {
		text = strconv.AppendInt(text, whole, 10)
	}
	high, middle, low := f/1e4, f/100%100, f%100 // three short chains of divisions, not one of six
	return append(text, '.',
		'0'+byte(high/10), '0'+byte(high%10), '0'+byte(middle/10), '0'+byte(middle%10), '0'+byte(low/10), '0'+byte(low%10))
}
