package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CheckWire holds a whole body, as it goes to the backend, against the contract:
// one JSON object with every field but those that only the agent adds, no unknown
// one, each of its shape and within its bounds, a UTC timestamp, and no
// contradiction within it. It returns the payload as Decode does. The error names
// the field.
func CheckWire(kind Kind, body []byte) (payload any, err error) {
	fields, err := object(body)
	if err != nil {
		return nil, err
	}
	if err := checkFields(kind, fields); err != nil {
		return nil, err
	}
	if payload, err = decodePayload(kind, body, true); err != nil {
		return nil, err
	}
	return payload, Consistent(payload)
}

// object reads one JSON object whose numbers stay as they were written.
func object(body []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var fields map[string]any
	if err := dec.Decode(&fields); err != nil || fields == nil {
		return nil, fmt.Errorf("the body is not a JSON object: %s", excerpt(string(body)))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the body goes on after its JSON object")
	}
	return fields, nil
}

func checkFields(kind Kind, fields map[string]any) error {
	list := Fields(kind)
	for _, f := range list {
		value, there := fields[f.Name]
		if !there && f.Agent {
			continue
		}
		if !there {
			return fmt.Errorf("%s: the field is missing", f.Name)
		}
		if err := f.Shape.check(value); err != nil {
			return in(f.Name, err)
		}
	}
	for name := range fields {
		if !slices.ContainsFunc(list, func(f Field) bool { return f.Name == name }) {
			return fmt.Errorf("%s: a %s has no such field", excerpt(name), kind)
		}
	}
	return nil
}

// A placed error names the place in the body.
type placed struct {
	path string
	err  error
}

func (p *placed) Error() string { return p.path + ": " + p.err.Error() }
func (p *placed) Unwrap() error { return p.err }

func in(name string, err error) error {
	if p, ok := errors.AsType[*placed](err); ok {
		if !strings.HasPrefix(p.path, "[") {
			name += "."
		}
		return &placed{name + p.path, p.err}
	}
	return &placed{name, err}
}

// check holds a decoded value against the shape.
func (s *Shape) check(value any) error {
	switch v := value.(type) {
	case nil:
		if !s.Null && s.Kind != ShapeAny {
			return s.Unlike("null")
		}
		return nil
	case bool:
		return s.only(ShapeBool, strconv.FormatBool(v))
	case string:
		return s.checkString(v)
	case json.Number:
		return s.checkNumber(v)
	case []any:
		return s.checkList(v)
	case map[string]any:
		return s.checkObject(v)
	}
	return nil
}

func (s *Shape) only(kind ShapeKind, have string) error {
	if !s.Takes(kind) {
		return s.Unlike(have)
	}
	return nil
}

func (s *Shape) checkString(v string) error {
	if err := s.only(ShapeText, "the text "+strconv.Quote(v)); err != nil {
		return err
	}
	if s.Kind == ShapeTime {
		if _, err := time.Parse(time.RFC3339Nano, v); err != nil || !strings.HasSuffix(v, "Z") {
			return fmt.Errorf("%q is not RFC 3339 in UTC with Z", excerpt(v))
		}
	}
	return s.CheckText(v)
}

func (s *Shape) checkNumber(v json.Number) error {
	kind := ShapeNumber
	if _, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
		kind = ShapeInteger
	}
	if err := s.only(kind, "the number "+v.String()); err != nil {
		return err
	}
	n, err := v.Float64()
	if err != nil {
		return fmt.Errorf("%s is beyond what a number holds", excerpt(v.String()))
	}
	return s.CheckNumber(n)
}

func (s *Shape) checkList(v []any) error {
	if err := errors.Join(s.only(ShapeList, "a list"), s.CheckSize(len(v))); err != nil {
		return err
	}
	for i, e := range v {
		if err := s.Element().check(e); err != nil {
			return in("["+strconv.Itoa(i)+"]", err)
		}
	}
	return nil
}

func (s *Shape) checkObject(v map[string]any) error {
	if err := errors.Join(s.only(ShapeObject, "an object"), s.CheckSize(len(v))); err != nil {
		return err
	}
	for name, e := range v {
		if err := s.Field(name).check(e); err != nil {
			return in(excerpt(name), err)
		}
	}
	return nil
}
