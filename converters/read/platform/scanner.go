package platform

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/vision-platform/trainer-agent/converters/text"
)

// scanner reads JSON values one after the other from a stream. It holds one
// window of the text, so memory does not grow with the file. Beyond RFC 8259 it
// takes UTF-16 and a byte-order mark at the start, and the NaN, Infinity and -Infinity that
// Python's json writes, so that the reader can name the annotation that has one.
//
// A slice that a method returns is valid until the next call.
type scanner struct {
	r        io.Reader
	buf      []byte
	pos, end int
	offset   int64 // of buf[0] in the stream
	eof      bool
	readErr  error
	scratch  []byte
}

const (
	windowBytes = 1 << 18
	// maxToken bounds one string or number: a compressed RLE mask of a large
	// image is the longest that is honest.
	maxToken = 1 << 24
	// maxNumber is more than any honest number has.
	maxNumber = 1 << 10
	// maxDepth bounds nesting; Python's json gives up at about 1000.
	maxDepth = 100
)

func newScanner(r io.Reader) *scanner {
	return &scanner{r: text.NewReader(r), buf: make([]byte, windowBytes)}
}

// syntaxError says what is wrong with the text and where.
type syntaxError struct {
	offset int64
	what   string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.what, e.offset) }

func (s *scanner) fail(format string, args ...any) error {
	if s.readErr != nil {
		return s.readErr
	}
	return &syntaxError{s.offset + int64(s.pos), fmt.Sprintf(format, args...)}
}

var errEnd = errors.New("unexpected end of the file")

func (s *scanner) ended() error {
	if s.readErr != nil {
		return s.readErr
	}
	return &syntaxError{s.offset + int64(s.pos), errEnd.Error()}
}

// more reads on, keeping what is not consumed. It returns false at the end.
func (s *scanner) more() bool {
	if s.eof {
		return false
	}
	if s.pos > 0 {
		copy(s.buf, s.buf[s.pos:s.end])
		s.offset += int64(s.pos)
		s.end -= s.pos
		s.pos = 0
	}
	if s.end == len(s.buf) {
		if len(s.buf) >= maxToken {
			s.eof, s.readErr = true, s.fail("a value of more than %d bytes", maxToken)
			return false
		}
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if err != nil {
			s.eof = true
			if err != io.EOF {
				s.readErr = err
			}
		}
		if n > 0 {
			return true
		}
		if s.eof {
			return false
		}
	}
	s.eof, s.readErr = true, io.ErrNoProgress
	return false
}

// need tries to have n bytes in the window.
func (s *scanner) need(n int) {
	for s.end-s.pos < n && s.more() {
	}
}

// peek skips white space and returns the next byte without consuming it.
func (s *scanner) peek() (byte, error) {
	for {
		for s.pos < s.end {
			switch c := s.buf[s.pos]; c {
			case ' ', '\t', '\n', '\r':
				s.pos++
			default:
				return c, nil
			}
		}
		if !s.more() {
			return 0, s.ended()
		}
	}
}

// atEnd reports whether only white space is left.
func (s *scanner) atEnd() bool {
	_, err := s.peek()
	return err != nil && s.readErr == nil
}

// object reads an object and calls member with each key; member consumes the
// value.
func (s *scanner) object(member func(key []byte) error) error {
	if err := s.expect('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		c, err := s.peek()
		if err != nil {
			return err
		}
		if c == '}' && first {
			s.pos++
			return nil
		}
		if !first {
			s.pos++
			if c == '}' {
				return nil
			}
			if c != ',' {
				s.pos--
				return s.fail("expected ',' or '}', found %q", c)
			}
			if _, err := s.peek(); err != nil {
				return err
			}
		}
		key, err := s.str()
		if err != nil {
			return err
		}
		s.scratch = append(s.scratch[:0], key...)
		key = s.scratch
		if err := s.expect(':'); err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
	}
}

// array reads an array and calls element for each; element consumes it.
func (s *scanner) array(element func() error) error {
	if err := s.expect('['); err != nil {
		return err
	}
	for first := true; ; first = false {
		c, err := s.peek()
		if err != nil {
			return err
		}
		if c == ']' && first {
			s.pos++
			return nil
		}
		if !first {
			s.pos++
			if c == ']' {
				return nil
			}
			if c != ',' {
				s.pos--
				return s.fail("expected ',' or ']', found %q", c)
			}
		}
		if err := element(); err != nil {
			return err
		}
	}
}

func (s *scanner) expect(want byte) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if c != want {
		return s.fail("expected %q, found %q", want, c)
	}
	s.pos++
	return nil
}

// literal consumes true, false or null and returns its first letter.
func (s *scanner) literal() (byte, error) {
	c, err := s.peek()
	if err != nil {
		return 0, err
	}
	word := map[byte]string{'t': "true", 'f': "false", 'n': "null"}[c]
	if s.need(len(word)); word == "" || !bytes.HasPrefix(s.buf[s.pos:s.end], []byte(word)) {
		return 0, s.fail("unexpected %q", c)
	}
	s.pos += len(word)
	return c, nil
}

// skip reads over one value of any kind.
func (s *scanner) skip() error { return s.skipAt(0) }

func (s *scanner) skipAt(depth int) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return s.fail("nested more than %d levels deep", maxDepth)
	}
	switch c {
	case '{':
		return s.object(func([]byte) error { return s.skipAt(depth + 1) })
	case '[':
		return s.array(func() error { return s.skipAt(depth + 1) })
	case '"':
		_, err = s.str()
	case 't', 'f', 'n':
		_, err = s.literal()
	default:
		_, _, err = s.number()
	}
	return err
}
