package relay

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/vision-platform/trainer-agent/contract"
)

// A field is one entry of a body's top level.
type field struct {
	name string
	raw  []byte // JSON
}

// maxFields bounds the top level of a body.
const maxFields = 1024

// A body is a checked payload of the child: its top level in order, everything
// below as it came.
type body struct {
	fields []field
}

// decode checks a body against the contract. A syntaxError is for 400, a
// fieldError for 422.
func decode(kind contract.Kind, b []byte) (*body, error) {
	if !utf8.Valid(b) {
		return nil, &syntaxError{0, "the text is not UTF-8"}
	}
	p := payloads[kind]
	s := &scanner{in: b, out: make([]byte, 0, len(b))}
	if s.peek() != '{' {
		return nil, s.bad("the body must be one JSON object")
	}
	s.pos++
	s.depth = 1
	d := &body{}
	for n := 0; ; n++ {
		name, last, err := s.nextName(n)
		if err != nil {
			return nil, err
		}
		if last {
			break
		}
		from := len(s.out)
		if err := s.value(p.shape.field(name)); err != nil {
			return nil, in(shown(name), err)
		}
		if n >= maxFields {
			return nil, &fieldError{"(body)", "more than " + strconv.Itoa(maxFields) + " fields"}
		}
		// As everywhere, the last of two equal names counts. A slice keeps its
		// bytes when out grows into another array.
		d.set(name, s.out[from:len(s.out):len(s.out)])
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	for _, name := range p.required {
		if d.get(name) == nil {
			return nil, &fieldError{name, "is missing"}
		}
	}
	return d, nil
}

func (d *body) index(name string) int {
	return slices.IndexFunc(d.fields, func(f field) bool { return f.name == name })
}

func (d *body) get(name string) []byte {
	if i := d.index(name); i >= 0 {
		return d.fields[i].raw
	}
	return nil
}

// set replaces a field or adds it at the end.
func (d *body) set(name string, raw []byte) {
	if i := d.index(name); i >= 0 {
		d.fields[i].raw = raw
		return
	}
	d.fields = append(d.fields, field{name, raw})
}

// fill adds a field that is absent.
func (d *body) fill(name string, raw []byte) {
	if d.index(name) < 0 {
		d.fields = append(d.fields, field{name, raw})
	}
}

// complete gives the body every field that the contract lists for its kind: the
// defaults, and a timestamp, which is the child's own when it has a valid one.
func (d *body) complete(kind contract.Kind, now time.Time) (at time.Time) {
	for _, f := range payloads[kind].defaults {
		d.fill(f.name, f.raw)
	}
	for _, name := range []string{"metrics", "data", "final_metrics", "overall_metrics"} {
		if string(d.get(name)) == "null" {
			d.set(name, []byte("{}"))
		}
	}
	stamp := contract.At(now)
	var theirs contract.Timestamp
	if json.Unmarshal(d.get("timestamp"), &theirs) == nil && theirs.Year() >= 2000 {
		stamp = theirs
	}
	raw, err := stamp.MarshalJSON()
	if err != nil {
		stamp = contract.At(now)
		raw, _ = stamp.MarshalJSON()
	}
	d.set("timestamp", raw)
	return stamp.Time
}

// number reads a numeric field, NaN when it is absent or null.
func (d *body) number(name string) float64 {
	var n contract.Number
	if raw := d.get(name); raw == nil || n.UnmarshalJSON(raw) != nil {
		return math.NaN()
	}
	return float64(n)
}

func (d *body) text(name string) string {
	var s string
	if raw := d.get(name); raw != nil {
		_ = json.Unmarshal(raw, &s)
	}
	return s
}

// bytes writes the body.
func (d *body) bytes() []byte {
	size := 2
	for _, f := range d.fields {
		size += len(f.name) + len(f.raw) + 4
	}
	b := append(make([]byte, 0, size), '{')
	for i, f := range d.fields {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := json.Marshal(f.name)
		b = append(append(append(b, name...), ':'), f.raw...)
	}
	return append(b, '}')
}
