package yolo

import (
	"math"
	"strconv"
)

// maxMicros is up to where micros is exact.
const maxMicros = 1 << 30

// micros is v in millionths, rounded as Python's "%.6f" and strconv's 'f' format
// round: to the nearest, by the exact value of the float64, a tie to even. It
// takes 0 ≤ v < maxMicros.
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

// appendDecimal writes a number with six decimals, never with an exponent. The rows
// of a large dataset are ten million fractions (docs/decisions/0098).
func appendDecimal(text []byte, v float64) []byte {
	if !(v >= 0 && v < maxMicros) {
		return strconv.AppendFloat(text, v, 'f', 6, 64)
	}
	n := micros(v)
	text = strconv.AppendInt(text, n/1e6, 10)
	f := uint32(n % 1e6)
	high, middle, low := f/1e4, f/100%100, f%100 // three short chains of divisions, not one of six
	return append(text, '.',
		'0'+byte(high/10), '0'+byte(high%10), '0'+byte(middle/10), '0'+byte(middle%10), '0'+byte(low/10), '0'+byte(low%10))
}
