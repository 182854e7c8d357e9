package platform

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// values reads JSON values into what they mean here.
type values struct {
	s     *scanner
	flat  []float64 // of the list read last
	count int       // coordinates so far
	limit int       // of them
}

// text reads a string; a number is taken as its text, and null as empty.
func (d *values) text() (string, error) {
	b, err := d.key()
	return string(b), err
}

// key reads an id: a string, or a number as its canonical text. Null and values
// of another kind are empty. The result is valid until the next read.
func (d *values) key() ([]byte, error) {
	c, err := d.s.peek()
	if err != nil {
		return nil, err
	}
	switch {
	case c == '"':
		b, err := d.s.str()
		if err == nil && !utf8.Valid(b) {
			return nil, d.s.fail("a string that is not valid UTF-8")
		}
		return b, err
	case c == '-' || (c >= '0' && c <= '9'):
		v, text, err := d.s.number()
		return canonical(v, text), err
	}
	return nil, d.s.skip()
}

// canonical is the text of a number used as an id: 7, 7.0 and 7e0 are the same
// id. Numbers beyond 2^53 keep their text, since a float64 would merge them.
func canonical(v float64, text []byte) []byte {
	if isInteger(text) || v != math.Trunc(v) || math.Abs(v) >= 1<<53 {
		return text
	}
	return strconv.AppendInt(nil, int64(v), 10)
}

// isInteger reports whether a number is written without a point and an exponent.
func isInteger(text []byte) bool {
	for _, c := range text {
		if c == '.' || c|0x20 == 'e' {
			return false
		}
	}
	return true
}

// integer reads a whole number; anything else is ok = false.
func (d *values) integer() (v int64, ok bool, err error) {
	c, err := d.s.peek()
	if err != nil {
		return 0, false, err
	}
	if c != '-' && (c < '0' || c > '9') {
		return 0, false, d.s.skip()
	}
	f, text, err := d.s.number()
	if err != nil {
		return 0, false, err
	}
	if v, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return v, true, nil
	}
	return int64(f), f == math.Trunc(f) && math.Abs(f) < 1<<53, nil
}

// truth reads a boolean; 0 and 1, as COCO's iscrowd has them, count too.
func (d *values) truth() (bool, error) {
	c, err := d.s.peek()
	if err != nil {
		return false, err
	}
	if c == 't' || c == 'f' {
		c, err = d.s.literal()
		return c == 't', err
	}
	v, ok, err := d.integer()
	return ok && v != 0, err
}

// numberList reads a list of numbers onto d.flat, one nested level included:
// keypoints come flat or as [[x, y, v], …]. Dims is the length of the nested
// lists, 0 when the list is flat. What is wrong with a list is returned in
// words; the text after it is still read.
func (d *values) numberList() (dims int, wrong string, err error) {
	d.flat = d.flat[:0]
	if c, err := d.s.peek(); err != nil || c != '[' {
		if err == nil {
			err = d.s.skip()
		}
		return 0, "is not a list", err
	}
	if list, ok := d.s.numbers(d.flat); ok {
		d.flat = list
		return 0, "", d.counted(len(list))
	}
	level, inner := 0, 0
	var element func() error
	element = func() error {
		c, err := d.s.peek()
		if err != nil {
			return err
		}
		if level == 0 && (c == '[') != (dims != 0) && len(d.flat) > 0 && wrong == "" {
			wrong = "mixes numbers and points"
		}
		if c == '[' && level == 0 {
			level, inner = 1, 0
			err := d.s.array(element)
			level = 0
			if wrong == "" && dims != 0 && dims != inner {
				wrong = "has points of different lengths"
			}
			dims = inner
			return err
		}
		inner++
		return d.coordinate(c, &wrong)
	}
	err = d.s.array(element)
	return dims, wrong, err
}

func (d *values) coordinate(c byte, wrong *string) error {
	if c != '-' && c != 'N' && c != 'I' && (c < '0' || c > '9') {
		if *wrong == "" {
			*wrong = "has " + kindOf(c) + " where a number belongs"
		}
		return d.s.skip()
	}
	v, text, err := d.s.number()
	if err != nil {
		return err
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		if *wrong == "" {
			*wrong = "has " + string(text)
		}
		v = 0
	}
	d.flat = append(d.flat, v)
	return d.counted(1)
}

func kindOf(c byte) string {
	switch c {
	case '"':
		return "a string"
	case '[':
		return "a list"
	case '{':
		return "an object"
	case 'n':
		return "null"
	}
	return "a boolean"
}

// list reads an array or null.
func (d *values) list(name string, element func() error) error {
	c, err := d.s.peek()
	if err != nil {
		return err
	}
	if c == 'n' {
		return d.s.skip()
	}
	if c != '[' {
		return d.s.misshapen("%q is not a list", name)
	}
	return d.s.array(element)
}

// record reads an object; null and values of another kind are read over.
func (d *values) record(member func(key []byte) error) error {
	c, err := d.s.peek()
	if err != nil {
		return err
	}
	if c != '{' {
		return d.s.skip()
	}
	return d.s.object(member)
}

// strings reads a list of at most limit strings; values of another kind are read over.
func (d *values) strings(limit int) ([]string, error) {
	if c, err := d.s.peek(); err != nil || c != '[' {
		return nil, errors.Join(err, d.s.skip())
	}
	var list []string
	err := d.s.array(func() error {
		text, err := d.text()
		list = append(list, text)
		if len(list) > limit {
			return fmt.Errorf("%d names in a list: %w", len(list), errTooLarge)
		}
		return err
	})
	return list, err
}
