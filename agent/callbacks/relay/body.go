package relay

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
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
	broken []string // metrics that were NaN or infinite
}

// A checker reads bodies of one job.
type checker struct{ job string }

// decode checks a body against the contract. A syntaxError is for 400, a
// fieldError for 422.
func (c checker) decode(kind contract.Kind, b []byte) (*body, error) {
	if !utf8.Valid(b) {
		return nil, &syntaxError{0, "the text is not UTF-8"}
	}
	s := &scanner{lexer: lexer{in: b}, out: make([]byte, 0, len(b)), instead: "null", paths: func(path string) error { return contract.CheckPath(c.job, path) }}
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
		if n >= maxFields {
			return nil, &fieldError{"(body)", "more than " + strconv.Itoa(maxFields) + " fields"}
		}
		if err := d.read(s, kind, name); err != nil {
			return nil, in(shown(name), err)
		}
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	return d, d.complete(kind)
}

// read takes one field's value.
func (d *body) read(s *scanner, kind contract.Kind, name string) error {
	from := len(s.out)
	s.broken = nil
	if err := s.value(shapeOf(kind, name, s.peek() == 'n')); err != nil {
		return err
	}
	// A slice keeps its bytes when out grows into another array.
	raw := s.out[from:len(s.out):len(s.out)]
	known := fieldOf(kind, name)
	switch {
	case known == nil && strings.EqualFold(name, sourceField), known != nil && known.Agent && !kind.Final():
		return nil // it is the agent's to say
	case known != nil && known.Name != name:
		return nil // a backend that reads names in any case would take it for the one that was checked
	case name == "metrics":
		d.broken = s.broken
	}
	d.set(name, raw) // as everywhere, the last of two equal names counts
	return nil
}

// sourceField marks a message with fields that the contract does not know.
const sourceField = "source"

// fieldOf is the field of the contract that a name is, or is but for its case.
func fieldOf(kind contract.Kind, name string) *contract.Field {
	fields := contract.Fields(kind)
	if i := slices.IndexFunc(fields, func(f contract.Field) bool { return strings.EqualFold(f.Name, name) }); i >= 0 {
		return &fields[i]
	}
	return nil
}

// foreign reports whether there are fields that the contract does not know.
func (d *body) foreign(kind contract.Kind) bool {
	return slices.ContainsFunc(d.fields, func(f field) bool { return fieldOf(kind, f.name) == nil })
}

// shapeOf is what a trainer may give for a field: anything where the relay repairs
// it, and null where the relay fills it in.
func shapeOf(kind contract.Kind, name string, null bool) *contract.Shape {
	for _, f := range contract.Fields(kind) {
		switch {
		case f.Name != name:
		case f.Lenient && f.Shape.Kind == contract.ShapeNumber:
			return &contract.Shape{Kind: contract.ShapeNumber, Null: true}
		case f.Lenient, null && !f.Needed:
			return contract.Anything
		default:
			return f.Shape
		}
	}
	return contract.Anything
}

// complete wants what only the child can know, and takes a null where null is no
// value for one that was left out.
func (d *body) complete(kind contract.Kind) error {
	for _, f := range contract.Fields(kind) {
		if f.Needed && d.get(f.Name) == nil {
			return &fieldError{f.Name, "is missing"}
		}
		if !f.Needed && !f.Shape.Null && string(d.get(f.Name)) == "null" {
			d.remove(f.Name)
		}
	}
	return nil
}

// mark takes the SDK's own word for metrics that were NaN or infinite and came as null.
func (d *body) mark(header string) {
	var names []string
	if header == "" || json.Unmarshal([]byte(header), &names) != nil || len(names) > contract.MaxMetrics {
		return
	}
	var metrics map[string]json.RawMessage
	_ = json.Unmarshal(d.get("metrics"), &metrics) // an object, or absent
	for _, name := range names {
		if string(metrics[name]) == "null" {
			d.broken = append(d.broken, name)
		}
	}
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

func (d *body) remove(name string) {
	d.fields = slices.DeleteFunc(d.fields, func(f field) bool { return f.name == name })
}

// finish gives the body every field that the contract lists for its kind: the
// defaults, and a timestamp, which is the child's own when it has a valid one.
func (d *body) finish(kind contract.Kind, now time.Time) (at time.Time) {
	for _, f := range contract.Fields(kind) {
		if f.Default != "" {
			d.fill(f.Name, []byte(f.Default))
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
	if d.foreign(kind) {
		d.set(sourceField, []byte(`"trainer"`))
	}
	return stamp.Time
}

// maxTable bounds a table (per-class metrics, a confusion matrix, curves) that is
// decoded: of a validation nobody behind the relay reads them, and in memory they are
// many times larger.
const maxTable = 256 << 10

// payload is the body decoded once, for everybody behind the relay; large tables
// are in the body alone. Fields that the contract does not know are left out too:
// encoding/json takes "EPOCH" for "epoch", and only the latter was checked.
func (d *body) payload(kind contract.Kind) (any, error) {
	known := &body{}
	for _, f := range contract.Fields(kind) {
		table := !kind.Final() && f.Default == "null" && f.Shape.Of != nil
		if raw := d.get(f.Name); raw != nil && (!table || len(raw) <= maxTable) {
			known.fields = append(known.fields, field{f.Name, raw})
		}
	}
	payload, err := contract.Decode(kind, known.bytes())
	return contract.WithNonFinite(payload, d.broken), err
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
