package report

import (
	"bytes"
	"sync"
)

// Tail keeps the last lines written to it, for the diagnosis.
type Tail struct {
	mu    sync.Mutex
	lines []string
	next  int
	part  []byte
}

// Line lengths past maxTailLine are cut: no evidence is longer.
const maxTailLine = 4 << 10

// NewTail keeps n lines.
func NewTail(n int) *Tail { return &Tail{lines: make([]string, 0, n)} }

// Write takes any piece of output.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, found := bytes.Cut(rest, []byte{'\n'})
		if room := maxTailLine - len(t.part); room > 0 {
			t.part = append(t.part, line[:min(len(line), room)]...)
		}
		if !found {
			break
		}
		t.push(string(bytes.TrimRight(t.part, "\r")))
		t.part, rest = t.part[:0], after
	}
	return len(p), nil
}

func (t *Tail) push(line string) {
	if len(t.lines) < cap(t.lines) {
		t.lines = append(t.lines, line)
		return
	}
	t.lines[t.next] = line
	t.next = (t.next + 1) % len(t.lines)
}

// Lines returns what is kept, oldest first, the unfinished line last.
func (t *Tail) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := append(append([]string{}, t.lines[t.next:]...), t.lines[:t.next]...)
	if len(t.part) > 0 {
		out = append(out, string(t.part))
	}
	return out
}
