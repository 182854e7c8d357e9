package output

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// DefaultMaxLine bounds a line of training.log in bytes.
const DefaultMaxLine = 64 << 10

// Collapser turns a stream into lines as a terminal would show them: what a
// carriage return overwrites is gone, so a progress bar becomes its last state.
// Each line goes to the writer in one Write, ended by \n; \r\n ends a line as \n
// does. A longer line keeps its head and says how much was cut.
//
// A segment shorter than the one before it replaces it whole: the remainder that
// a terminal would still show is left out, as it is never wanted in a log.
type Collapser struct {
	w    io.Writer
	max  int
	line segment // since the last \r or \n
	last segment // the last one that a \r ended and that had text
}

type segment struct {
	head []byte
	cut  int64 // bytes beyond max
}

// NewCollapser writes lines of at most maxLine bytes (0 = DefaultMaxLine) to w.
func NewCollapser(w io.Writer, maxLine int) *Collapser {
	if maxLine <= 0 {
		maxLine = DefaultMaxLine
	}
	return &Collapser{w: w, max: maxLine}
}

// Write takes everything; its error is the first of the writer.
func (c *Collapser) Write(b []byte) (int, error) {
	var failed error
	for rest := b; len(rest) > 0; {
		end := bytes.IndexAny(rest, "\r\n")
		if end < 0 {
			c.add(rest)
			break
		}
		c.add(rest[:end])
		if rest[end] == '\n' {
			failed = errors.Join(failed, c.emit())
		} else {
			c.overwrite()
		}
		rest = rest[end+1:]
	}
	if failed != nil {
		return 0, failed
	}
	return len(b), nil
}

// Close writes the unfinished line, if any. It does not close the writer.
func (c *Collapser) Close() error {
	if c.line.empty() && c.last.empty() {
		return nil
	}
	return c.emit()
}

func (c *Collapser) add(b []byte) {
	room := min(c.max-len(c.line.head), len(b))
	c.line.head = append(c.line.head, b[:room]...)
	c.line.cut += int64(len(b) - room)
}

func (c *Collapser) overwrite() {
	if c.line.empty() {
		return
	}
	c.line, c.last = c.last, c.line
	c.line.reset()
}

func (c *Collapser) emit() error {
	shown := &c.line
	if shown.empty() {
		shown = &c.last
	}
	if shown.cut > 0 {
		shown.head = fmt.Appendf(shown.head, " … [%d more bytes of this line]", shown.cut)
	}
	shown.head = append(shown.head, '\n')
	_, err := c.w.Write(shown.head)
	c.line.reset()
	c.last.reset()
	return err
}

func (s *segment) empty() bool { return len(s.head) == 0 }
func (s *segment) reset()      { s.head, s.cut = s.head[:0], 0 }
