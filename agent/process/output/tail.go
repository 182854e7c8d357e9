package output

import (
	"bytes"
	"sync"
)

// DefaultTail is how many lines the diagnosis looks at.
const DefaultTail = 200

// Tail keeps the last lines of a log. It takes one line a Write, which is what a
// Collapser gives, and is safe for concurrent use.
type Tail struct {
	mu    sync.Mutex
	lines []string
	next  int
	full  bool
}

// NewTail keeps n lines (0 = DefaultTail).
func NewTail(n int) *Tail {
	if n <= 0 {
		n = DefaultTail
	}
	return &Tail{lines: make([]string, n)}
}

// Write keeps one line, without its \n.
func (t *Tail) Write(line []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines[t.next] = string(bytes.TrimSuffix(line, []byte("\n")))
	t.next = (t.next + 1) % len(t.lines)
	t.full = t.full || t.next == 0
	return len(line), nil
}

// Lines returns what is kept, oldest first.
func (t *Tail) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.full {
		return append([]string(nil), t.lines[:t.next]...)
	}
	return append(append([]string(nil), t.lines[t.next:]...), t.lines[:t.next]...)
}
