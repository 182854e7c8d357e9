package relay

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/vision-platform/trainer-agent/contract"
)

// maxDepth bounds the nesting of a body. Validation results nest four deep.
const maxDepth = 64

// A syntaxError is a body that is not JSON, not even as Python writes it.
type syntaxError struct {
	offset int
	what   string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("at byte %d: %s", e.offset, e.what) }

// A fieldError is JSON that is not what its field takes.
type fieldError struct {
	path string // "metrics.loss", "confusion_matrix[0][2]"
	what string
}

func (e *fieldError) Error() string { return e.path + ": " + e.what }

// in puts a name or an index in front of the path of a fieldError.
func in(name string, err error) error {
	if f, ok := errors.AsType[*fieldError](err); ok {
		if f.path == "" || f.path[0] == '[' {
			f.path = name + f.path
		} else {
			f.path = name + "." + f.path
		}
	}
	return err
}

// A scanner reads one JSON value as Python's json module writes it, checks it
// against a shape and copies it to out without white space, with NaN, ±Infinity
// and numbers beyond float64 as null. It builds nothing in memory beside out, so
// a body costs twice its size however it is nested.
type scanner struct {
	lexer
	out   []byte
	depth int
	paths func(string) error // what is wrong with a path; nil takes every one

	instead   string   // of what is NaN or infinite
	nonFinite bool     // the number just read was NaN or infinite
	broken    []string // the entries of maps that were
}

// Clean turns JSON as Python writes it into JSON as everybody reads it: NaN,
// ±Infinity and numbers beyond float64 become what the caller wants in their place,
// null or a mark of its own. The error says what is wrong where.
func Clean(b []byte, nonFinite string) (clean []byte, err error) {
	s := &scanner{lexer: lexer{in: b}, out: make([]byte, 0, len(b)), instead: nonFinite}
	if !utf8.Valid(b) {
		return nil, &syntaxError{0, "the text is not UTF-8"}
	}
	if err := s.value(contract.Anything); err != nil {
		return nil, err
	}
	return s.out, s.end()
}

func (s *scanner) value(sh *contract.Shape) error {
	switch c := s.peek(); {
	case c == '{':
		return s.nested(func() error { return s.object(sh) })
	case c == '[':
		return s.nested(func() error { return s.list(sh) })
	case c == '"':
		return s.text(sh)
	case c == '-' || c == 'N' || c == 'I' || (c >= '0' && c <= '9'):
		return s.number(sh)
	case s.word("null"):
		if !sh.Null && sh.Kind != contract.ShapeAny {
			return unlike(sh, "null")
		}
		s.out = append(s.out, "null"...)
		return nil
	case s.word("true"):
		return s.literal(sh, "true")
	case s.word("false"):
		return s.literal(sh, "false")
	case c == 0:
		return s.bad("the text ends early")
	}
	return s.bad("no value begins like this")
}

func (s *scanner) nested(read func() error) error {
	if s.depth++; s.depth > maxDepth {
		return s.bad(fmt.Sprintf("nested deeper than %d", maxDepth))
	}
	defer func() { s.depth-- }()
	s.out = append(s.out, s.in[s.pos])
	s.pos++
	return read()
}

func (s *scanner) literal(sh *contract.Shape, word string) error {
	if !sh.Takes(contract.ShapeBool) {
		return unlike(sh, word)
	}
	s.out = append(s.out, word...)
	return nil
}

// word consumes the word if it is next.
func (s *scanner) object(sh *contract.Shape) error {
	if !sh.Takes(contract.ShapeObject) {
		return unlike(sh, "an object")
	}
	for n := 0; ; n++ {
		name, last, err := s.nextName(n)
		if err != nil || last {
			return err
		}
		if err := sh.CheckSize(n + 1); err != nil {
			return &fieldError{"", err.Error()}
		}
		s.nonFinite = false
		if err := s.value(sh.Field(name)); err != nil {
			return in(shown(name), err)
		}
		if s.nonFinite && sh.Kind == contract.ShapeMap {
			s.broken = append(s.broken, name)
		}
	}
}

// nextName reads the comma, the name and the colon before entry n of an object,
// or the object's end.
func (s *scanner) nextName(n int) (name string, last bool, err error) {
	c := s.peek()
	if c == '}' {
		s.out = append(s.out, '}')
		s.pos++
		return "", true, nil
	}
	if n > 0 {
		if c != ',' {
			return "", false, s.bad("a comma or } is missing")
		}
		s.out = append(s.out, ',')
		s.pos++
		c = s.peek()
	}
	if c != '"' {
		return "", false, s.bad("a name in quotes is missing")
	}
	raw, err := s.quoted()
	if err != nil {
		return "", false, err
	}
	if s.peek() != ':' {
		return "", false, s.bad("a colon is missing")
	}
	s.pos++
	s.out = append(append(s.out, raw...), ':')
	return unquote(raw), false, nil
}

func (s *scanner) list(sh *contract.Shape) error {
	if !sh.Takes(contract.ShapeList) {
		return unlike(sh, "a list")
	}
	for n := 0; ; n++ {
		c := s.peek()
		if c == ']' {
			s.out = append(s.out, ']')
			s.pos++
			return nil
		}
		if n > 0 {
			if c != ',' {
				return s.bad("a comma or ] is missing")
			}
			s.out = append(s.out, ',')
			s.pos++
		}
		if err := sh.CheckSize(n + 1); err != nil {
			return &fieldError{"", err.Error()}
		}
		if err := s.value(sh.Element()); err != nil {
			return in("["+strconv.Itoa(n)+"]", err)
		}
	}
}

func (s *scanner) text(sh *contract.Shape) error {
	raw, err := s.quoted()
	if err != nil {
		return err
	}
	if !sh.Takes(contract.ShapeText) {
		return unlike(sh, "the text "+string(raw))
	}
	if err := s.allowed(sh, raw); err != nil {
		return &fieldError{"", err.Error()}
	}
	s.out = append(s.out, raw...)
	return nil
}

// allowed holds a text in its quotes against the words, and a path against the job.
func (s *scanner) allowed(sh *contract.Shape, raw []byte) error {
	if sh.Words != nil {
		return sh.CheckText(unquote(raw))
	}
	if sh.Kind == contract.ShapePath && s.paths != nil {
		return s.paths(unquote(raw))
	}
	return nil
}

func unlike(sh *contract.Shape, have string) error { return &fieldError{"", sh.Unlike(have).Error()} }

// unquote decodes a string that quoted has checked.
func unquote(raw []byte) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

// shown is a piece of the body fit for an answer.
func shown(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
