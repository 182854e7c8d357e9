package contract

import (
	"fmt"
	"slices"
	"strings"
)

// ShapeKind is the type of a JSON value, as precisely as a callback's body needs it.
type ShapeKind int

// The kinds of values.
const (
	ShapeAny     ShapeKind = iota
	ShapeNumber            // also NaN and ±Inf as Python writes them, which become null
	ShapeInteger           // also one written as 5.0
	ShapeText
	ShapePath // a text: a path on the child's disk, or the address of one of the job's own objects
	ShapeTime // RFC 3339, in UTC with Z on the wire
	ShapeBool
	ShapeObject // fields of different shapes; unknown ones are anything
	ShapeMap    // any names, one shape
	ShapeList
)

// A Shape is what a value of a callback's body can be. Relay, sandbox and SDK are
// held to the same shapes; nothing else in the project describes them again.
type Shape struct {
	Kind   ShapeKind
	Null   bool              // null is a value too: absent, or unknown
	Of     *Shape            // of the entries of a map or list; nil takes anything
	Fields map[string]*Shape // of an object
	Most   int               // entries of a map or list, 0 = bounded by the body alone
	Words  []string          // the texts allowed, nil = all
	Bounds *Bounds           // of a number
}

// Bounds are the least and the greatest value.
type Bounds struct{ Low, High float64 }

// Anything is the shape of a field that the contract does not know.
var Anything = &Shape{Kind: ShapeAny, Null: true}

// Field is the shape of an object's or a map's entry.
func (s *Shape) Field(name string) *Shape {
	if s.Kind == ShapeMap {
		return s.Element()
	}
	if f := s.Fields[name]; f != nil {
		return f
	}
	return Anything
}

// Element is the shape of a map's or list's entry.
func (s *Shape) Element() *Shape {
	if s.Of != nil {
		return s.Of
	}
	return Anything
}

// Takes reports whether the shape takes a value of the kind. A text may be given
// where a path or a time is wanted.
func (s *Shape) Takes(kind ShapeKind) bool {
	switch s.Kind {
	case ShapeAny:
		return true
	case ShapePath, ShapeTime:
		return kind == ShapeText
	case ShapeMap:
		return kind == ShapeObject
	case ShapeNumber:
		return kind == ShapeNumber || kind == ShapeInteger
	}
	return s.Kind == kind
}

// CheckText holds a text against the words.
func (s *Shape) CheckText(text string) error {
	if s.Words == nil || slices.Contains(s.Words, text) {
		return nil
	}
	return fmt.Errorf("want one of %s, have %s", strings.Join(s.Words, ", "), excerpt(fmt.Sprintf("%q", text)))
}

// CheckNumber holds a number against the bounds.
func (s *Shape) CheckNumber(n float64) error {
	if b := s.Bounds; b != nil && (n < b.Low || n > b.High) {
		return fmt.Errorf("want a number from %v to %v, have %v", b.Low, b.High, n)
	}
	return nil
}

// CheckSize holds the number of entries against the most.
func (s *Shape) CheckSize(n int) error {
	if s.Most > 0 && n > s.Most {
		return fmt.Errorf("more than %d entries", s.Most)
	}
	return nil
}

// Unlike says what the shape takes and what came.
func (s *Shape) Unlike(have string) error {
	want := map[ShapeKind]string{
		ShapeNumber: "a number", ShapeInteger: "a whole number", ShapeText: "a text", ShapePath: "a path", ShapeTime: "a time",
		ShapeBool: "true or false", ShapeObject: "an object", ShapeMap: "an object", ShapeList: "a list",
	}[s.Kind]
	return fmt.Errorf("want %s, have %s", want, excerpt(have))
}

// excerpt is a piece of a value fit for a message.
func excerpt(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
