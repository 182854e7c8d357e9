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

// Metrics maps metric names ("box_loss", "mAP50-95") to values. A null in JSON
// means that the metric is absent: it is not read as a value. A value that is NaN
// or infinite exists in memory only, and is written as null.
type Metrics map[string]Number

// UnmarshalJSON adds what an object has to the metrics that are there already.
func (m *Metrics) UnmarshalJSON(b []byte) error {
	var read map[string]*Number
	if err := json.Unmarshal(b, &read); err != nil {
		return err
	}
	if *m == nil && read != nil {
		*m = make(Metrics, len(read))
	}
	for name, value := range read {
		if value != nil {
			(*m)[name] = *value
		}
	}
	return nil
}
