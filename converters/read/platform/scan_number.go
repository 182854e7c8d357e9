package platform

import (
	"bytes"
	"errors"
	"math"
	"strconv"
)

var powersOfTen = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// number reads a number and returns its text too. NaN and the infinities come
// back as such; a number too large for a float64 as an infinity.
func (s *scanner) number() (float64, []byte, error) {
	if _, err := s.peek(); err != nil {
		return 0, nil, err
	}
	if s.end-s.pos < maxNumber {
		s.need(maxNumber)
	}
	b := s.buf[s.pos:s.end]
	n, mantissa, exponent, exact := scanNumber(b)
	if n == 0 {
		return s.nonFinite(b)
	}
	if n >= maxNumber {
		return 0, nil, s.fail("a number of more than %d digits", maxNumber)
	}
	text := b[:n]
	s.pos += n
	// Both factors are exact, so one rounding gives the nearest float64
	// (Clinger's fast path).
	if exact && mantissa < 1<<53 && exponent >= -22 && exponent <= 22 {
		v := float64(mantissa)
		if exponent < 0 {
			v /= powersOfTen[-exponent]
		} else {
			v *= powersOfTen[exponent]
		}
		if text[0] == '-' {
			v = -v
		}
		return v, text, nil
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, nil, s.fail("not a number")
	}
	return v, text, nil
}

// numbers appends a list of numbers without exponents that is wholly in the
// window, which nearly every box, ring and list of keypoints is; most of a large
// file's text are those. Where it is anything else, ok is false and nothing was
// consumed.
func (s *scanner) numbers(list []float64) (_ []float64, ok bool) {
	b := s.buf[s.pos:s.end]
	for i := 1; ; i++ { // behind the bracket, or a comma
		i += blanks(b[i:])
		v, n := decimal(b[i:])
		if n == 0 {
			return list, false
		}
		list = append(list, v)
		i += n
		i += blanks(b[i:])
		if i == len(b) || (b[i] != ',' && b[i] != ']') {
			return list, false
		}
		if b[i] == ']' {
			s.pos += i + 1
			return list, true
		}
	}
}

// blanks is the length of the white space at the start of b.
func blanks(b []byte) int {
	for i, c := range b {
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return i
		}
	}
	return len(b)
}

// decimal reads a number without an exponent and of at most 15 digits; n is 0
// where there is none. One that ends with b may go on behind it.
func decimal(b []byte) (v float64, n int) {
	i := 0
	if len(b) > 0 && b[0] == '-' {
		i++
	}
	var mantissa uint64
	start := i
	for i < len(b) && b[i]-'0' <= 9 {
		mantissa = mantissa*10 + uint64(b[i]-'0')
		i++
	}
	digits := i - start
	if digits == 0 || digits > 15 || (digits > 1 && b[start] == '0') {
		return 0, 0
	}
	v = float64(mantissa)
	if i < len(b) && b[i] == '.' {
		i++
		point := i
		for i < len(b) && b[i]-'0' <= 9 {
			mantissa = mantissa*10 + uint64(b[i]-'0')
			i++
		}
		if i == point || digits+i-point > 15 {
			return 0, 0
		}
		v = float64(mantissa) / powersOfTen[i-point] // both are exact: one rounding
	}
	if b[0] == '-' {
		v = -v
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		return 0, 0
	}
	return v, i
}

func (s *scanner) nonFinite(b []byte) (float64, []byte, error) {
	for word, v := range map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)} {
		if bytes.HasPrefix(b, []byte(word)) {
			s.pos += len(word)
			return v, b[:len(word)], nil
		}
	}
	return 0, nil, s.fail("expected a number, found %q", b[0])
}

// scanNumber measures the JSON number at the start of b; n is 0 when there is
// none. The value is mantissa·10^exponent when exact is true.
func scanNumber(b []byte) (n int, mantissa uint64, exponent int, exact bool) {
	i := 0
	if i < len(b) && b[i] == '-' {
		i++
	}
	start := i
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		mantissa = mantissa*10 + uint64(b[i]-'0')
	}
	digits := i - start
	if digits == 0 || (digits > 1 && b[start] == '0') {
		return 0, 0, 0, false
	}
	if i < len(b) && b[i] == '.' {
		i++
		start = i
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
			mantissa = mantissa*10 + uint64(b[i]-'0')
		}
		if i == start {
			return 0, 0, 0, false
		}
		digits += i - start
		exponent = start - i
	}
	exact = digits <= 18
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if i == len(b) || b[i]-'0' > 9 {
			return 0, 0, 0, false
		}
		for i < len(b) && b[i]-'0' <= 9 {
			i++
		}
		exact = false
	}
	return i, mantissa, exponent, exact
}
