package ui

import (
	"io"
	"os"
	"sync"
)

// Shared is one file that the training's output and the agent's log both go to, as
// after "2>&1": a line of the log begins on a line of its own there, whatever a
// progress bar left open.
type Shared struct {
	mu   sync.Mutex
	w    io.Writer
	open bool // the last byte ended no line
}

// NewShared shares a file between two writers.
func NewShared(w io.Writer) *Shared { return &Shared{w: w} }

// SameFile reports whether two open files are one.
func SameFile(a, b *os.File) bool {
	x, err := a.Stat()
	if err != nil {
		return false
	}
	y, err := b.Stat()
	return err == nil && os.SameFile(x, y)
}

// Output is for the training's output, which is passed on as it comes.
func (s *Shared) Output() io.Writer { return sharedWriter(s.output) }

// Log is for whole lines.
func (s *Shared) Log() io.Writer { return sharedWriter(s.line) }

type sharedWriter func([]byte) (int, error)

func (w sharedWriter) Write(b []byte) (int, error) { return w(b) }

func (s *Shared) output(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(b)
}

func (s *Shared) line(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open {
		if _, err := s.write([]byte("\n")); err != nil {
			return 0, err
		}
	}
	return s.write(b)
}

func (s *Shared) write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	if n > 0 {
		s.open = b[n-1] != '\n'
	}
	return n, err
}
