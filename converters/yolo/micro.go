package yolo

import "math"

// micros is v in millionths, rounded as Python's "%.6f" and strconv's 'f' format
// round: to the nearest, by the exact value of the float64, a tie to even. It
// takes 0 ≤ v < 2^30.
func micros(v float64) int64 {
	product := v * 1e6
	lost := math.FMA(v, 1e6, -product) // product + lost is exact
	floor := math.Floor(product)
	n := int64(floor)
	above := product - floor - 0.5 // exact near the tie, where it counts
	if above > -lost || (above == -lost && n&1 == 1) {
		n++
	}
	return n
}

// appendMicros writes millionths as a number with six decimals, never with an
// exponent.
func appendMicros(text []byte, n int64) []byte {
	var digits [20]byte
	at := len(digits)
	for k := 0; k < 7 || n > 0; k++ {
		if k == 6 {
			at--
			digits[at] = '.'
		}
		at--
		digits[at] = '0' + byte(n%10)
		n /= 10
	}
	return append(text, digits[at:]...)
}
