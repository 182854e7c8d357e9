package relay

import (
	"math"
	"strconv"

	"github.com/vision-platform/trainer-agent/contract"
)

func (s *scanner) number(sh *contract.Shape) error {
	finite, token, err := s.numberToken()
	if err != nil {
		return err
	}
	s.nonFinite = !finite
	switch {
	case sh.Kind == contract.ShapeInteger:
		n, ok := integral(token)
		if !finite || !ok {
			return unlike(sh, "the number "+string(token))
		}
		s.out = strconv.AppendInt(s.out, n, 10)
		return bounded(sh, float64(n))
	case !sh.Takes(contract.ShapeNumber):
		return unlike(sh, "the number "+string(token))
	case !finite:
		s.out = append(s.out, s.instead...)
		return nil
	}
	s.out = append(s.out, token...)
	if sh.Bounds == nil {
		return nil
	}
	n, _ := strconv.ParseFloat(string(token), 64)
	return bounded(sh, n)
}

func bounded(sh *contract.Shape, n float64) error {
	if err := sh.CheckNumber(n); err != nil {
		return &fieldError{"", err.Error()}
	}
	return nil
}

// integral reads a whole number, also one written as 5.0, which is how Python
// writes an epoch that went through a division.
func integral(token []byte) (int64, bool) {
	if n, err := strconv.ParseInt(string(token), 10, 64); err == nil {
		return n, true
	}
	v, err := strconv.ParseFloat(string(token), 64)
	if err != nil || v != math.Trunc(v) || math.Abs(v) > 1<<53 {
		return 0, false
	}
	return int64(v), true
}
