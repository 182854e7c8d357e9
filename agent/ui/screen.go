package ui

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	// quiet is how long the other program must rest before rows appear below it.
	quiet = 400 * time.Millisecond
	// drawing is how long after it moved the cursor up a program counts as one
	// that draws several lines.
	drawing = 3 * time.Second
	// patience is the longest that a line waits for such a program.
	patience = 10 * time.Second
	// maxHeld bounds the lines that wait, in bytes.
	maxHeld = 64 << 10
)

// Options of a Screen.
type Options struct {
	Out   io.Writer            // the terminal; what blocks here blocks every caller
	Size  func() (columns int) // asked at every drawing, so a resize needs no signal
	Color bool                 // escape codes for colour may be used
	// NoRows leaves the rows out: something writes to the terminal that does not go
	// through Other, and would be drawn over.
	NoRows bool
	Now    func() time.Time // default time.Now
}

// Screen is one terminal. Its methods may be called from several goroutines.
type Screen struct {
	opt Options

	mu     sync.Mutex
	rows   []Row
	drawn  []int // widths of the rows on the terminal, in columns; the cursor is below them
	shown  []byte
	other  tracker // of the other program
	spoke  time.Time
	held   bytes.Buffer // lines that wait for the other program
	since  time.Time    // of the first of them
	closed bool
}

// New takes charge of a terminal. Close it.
func New(o Options) *Screen {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Screen{opt: o, other: tracker{start: true}}
}

// columns is the width to use; a terminal that tells none has the classic one.
func (s *Screen) columns() int {
	if n := s.opt.Size(); n > 0 {
		return n
	}
	return 80
}

// HasRows reports whether Show shows anything; no Screen shows nothing.
func (s *Screen) HasRows() bool { return s != nil && !s.opt.NoRows }

// Show replaces the rows of progress; none takes them away. Call it a few times a
// second even when nothing has changed: it also brings rows back after a pause of
// the other program, and lines that wait.
func (s *Screen) Show(rows ...Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.opt.NoRows {
		return
	}
	s.rows = rows
	var out bytes.Buffer
	s.release(&out, false)
	s.redraw(&out)
	s.send(&out)
}

// Write prints lines that stay; each call is best a whole line or several.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held.Len() == 0 {
		s.since = s.opt.Now()
	}
	for line := range strings.Lines(string(p)) {
		for _, part := range wrap(strings.TrimRight(line, "\n"), s.columns(), "  ") {
			s.held.WriteString(part + "\n")
		}
	}
	var out bytes.Buffer
	s.release(&out, s.closed || s.held.Len() > maxHeld)
	if !s.closed {
		s.redraw(&out)
	}
	s.send(&out)
	return len(p), nil
}

// Console is where a child's output is shown: on the screen, if both share a terminal.
func (s *Screen) Console(elsewhere io.Writer, terminal bool) io.Writer {
	if s == nil || !terminal {
		return elsewhere
	}
	return s.Other()
}

// Other is where another program's output goes, byte for byte.
func (s *Screen) Other() io.Writer { return other{s} }

type other struct{ s *Screen }

func (o other) Write(p []byte) (int, error) {
	s := o.s
	s.mu.Lock()
	defer s.mu.Unlock()
	var out bytes.Buffer
	s.erase(&out)
	s.spoke = s.opt.Now()
	out.Write(p)
	s.other.feed(p, s.spoke)
	s.release(&out, false)
	s.send(&out)
	return len(p), nil
}

// Done says that the other program has ended. Where it left the cursor inside a
// line, the line is ended.
func (s *Screen) Done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out bytes.Buffer
	s.finishOther(&out)
	s.send(&out)
}

func (s *Screen) finishOther(out *bytes.Buffer) {
	s.erase(out)
	if s.other.aside {
		out.WriteString("\x1b[?1049l")
	}
	if s.other.hidden {
		out.WriteString("\x1b[?25h")
	}
	if s.other.state != ground {
		out.WriteString("\x18") // CAN ends a sequence that was broken off
	}
	if s.other.styled {
		out.WriteString("\x1b[m")
	}
	if !s.other.start {
		out.WriteString("\r\n")
	}
	s.other = tracker{start: true}
	s.spoke = time.Time{}
	s.release(out, true)
}

// Close takes the rows away and prints what waits. Lines may still be written.
func (s *Screen) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	var out bytes.Buffer
	s.finishOther(&out)
	s.rows, s.closed = nil, true
	s.send(&out)
}

// End closes the screen and prints the card.
func (s *Screen) End(c Card) {
	s.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	var out bytes.Buffer
	c.print(&out, s.columns(), s.opt.Color)
	b := bytes.NewBuffer(crlf(out.Bytes()))
	s.send(b)
}

// release prints the lines that wait, if the other program's drawing allows it.
func (s *Screen) release(out *bytes.Buffer, must bool) {
	if s.held.Len() == 0 || !must && !s.mayPrint() {
		return
	}
	s.erase(out)
	if s.other.start || must {
		out.Write(crlf(s.held.Bytes()))
	} else {
		s.insert(out, s.held.Bytes())
	}
	s.held.Reset()
}

func (s *Screen) mayPrint() bool {
	if s.other.state != ground || s.other.aside {
		return false
	}
	now := s.opt.Now()
	busy := s.other.hidden || now.Sub(s.other.raised) < drawing
	return !busy || now.Sub(s.since) >= patience
}

// insert puts lines above the one that the other program is writing: room is made
// below it first, because what is pushed past the last line of a terminal is lost.
// Index (ESC D) keeps the column, so the cursor comes back to where it was. Line by
// line, so that it never takes more room than a terminal has.
func (s *Screen) insert(out *bytes.Buffer, lines []byte) {
	columns := s.columns()
	for line := range strings.Lines(string(lines)) {
		rows := max(1, (width(line)+columns-1)/columns)
		out.WriteString(strings.Repeat("\x1bD", rows))
		fmt.Fprintf(out, "\x1b7\x1b[%dA\x1b[%dL\r", rows, rows)
		out.WriteString(strings.TrimSuffix(line, "\n"))
		out.WriteString("\x1b8")
	}
}

// redraw brings the rows up to date, where and when they may be seen.
func (s *Screen) redraw(out *bytes.Buffer) {
	if len(s.rows) == 0 || !s.mayShow() {
		s.erase(out)
		return
	}
	var next bytes.Buffer
	columns := s.columns()
	widths := make([]int, 0, len(s.rows))
	for _, line := range renderAll(s.rows, columns, s.opt.Color) {
		widths = append(widths, width(line))
		next.WriteString(line + "\r\n")
	}
	if len(s.drawn) > 0 && bytes.Equal(next.Bytes(), s.shown) {
		return
	}
	s.erase(out)
	out.Write(next.Bytes())
	s.drawn, s.shown = widths, next.Bytes()
}

func (s *Screen) mayShow() bool {
	return s.other.start && s.other.state == ground && !s.other.aside && !s.other.hidden &&
		s.opt.Now().Sub(s.spoke) >= quiet
}

// erase takes the rows from the terminal; the cursor is where it was before they
// were drawn. A window that was made narrower has wrapped them.
func (s *Screen) erase(out *bytes.Buffer) {
	if len(s.drawn) == 0 {
		return
	}
	up, columns := 0, s.columns()
	for _, w := range s.drawn {
		up += max(1, (w+columns-1)/columns)
	}
	fmt.Fprintf(out, "\r\x1b[%dA\x1b[J", up)
	s.drawn, s.shown = nil, nil
}

func (s *Screen) send(out *bytes.Buffer) {
	if out.Len() > 0 {
		_, _ = s.opt.Out.Write(out.Bytes()) // nobody to tell: it is the terminal
	}
}

// crlf ends lines for a terminal in any mode.
func crlf(lines []byte) []byte { return bytes.ReplaceAll(lines, []byte("\n"), []byte("\r\n")) }
