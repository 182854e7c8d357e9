package contract

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
)

// Number is a float64 that survives JSON: NaN and ±Inf are written as null,
// and null is read as NaN.
type Number float64

// Finite reports whether n is neither NaN nor infinite.
func (n Number) Finite() bool { return !math.IsNaN(float64(n)) && !math.IsInf(float64(n), 0) }

// MarshalJSON writes the shortest decimal that reads back as the same value.
func (n Number) MarshalJSON() ([]byte, error) {
	if !n.Finite() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads a number or null.
func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return &json.UnmarshalTypeError{Value: "number " + string(b), Type: reflect.TypeFor[float64]()}
	}
	*n = Number(v)
	return nil
}

// Metrics maps metric names ("box_loss", "mAP50-95") to values.
type Metrics map[string]Number
