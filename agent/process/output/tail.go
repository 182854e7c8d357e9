package output

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/vision-platform/trainer-agent/agent/internal/logline"
)

// DefaultTail is how many of the last lines the diagnosis looks at.
const DefaultTail = 200

const (
	maxTailLine = 4 << 10 // bytes kept of one line
	maxRun      = 3       // lines of one shape in a row that are kept beside the newest of them
)

// Tail keeps what tells why a process ended: the last lines of its log, floods of
// like lines shortened, and of every process that a launcher's prefix names the
// first lines of its trouble, which a flood or another rank's farewell would have
// pushed out. It takes one line a Write, which is what a Collapser gives, and is
// safe for concurrent use.
type Tail struct {
	mu       sync.Mutex
	last     []kept // a ring
	next     int
	full     bool
	written  int // lines so far
	run      run
	troubles troubles
}

// kept is one line and its place in the log.
type kept struct {
	number int
	text   string
	like   int // lines of its shape that were left out before it
}

// run is the series of like lines that the newest line belongs to.
type run struct {
	shape string
	lines int
}

// NewTail keeps the last n lines (0 = DefaultTail).
func NewTail(n int) *Tail {
	if n <= 0 {
		n = DefaultTail
	}
	return &Tail{last: make([]kept, n), troubles: troubles{}}
}

// Write keeps one line, without its \n. A traceback inside it is kept as its lines.
func (t *Tail) Write(line []byte) (int, error) {
	for _, text := range logline.Unpack(string(bytes.TrimSuffix(line, []byte("\n")))) {
		t.write(strings.ToValidUTF8(text[:min(len(text), maxTailLine)], ""))
	}
	return len(line), nil
}

func (t *Tail) write(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.written++
	l := kept{number: t.written, text: text}
	like := t.belongs(text)
	t.troubles.note(l, like)
	t.keep(l, like)
}

// belongs: the line goes on with a run that is long enough.
func (t *Tail) belongs(text string) bool {
	shape := logline.Shape(text)
	if shape != t.run.shape || shape == "" {
		t.run = run{shape: shape}
	}
	t.run.lines++
	return t.run.lines > maxRun+1
}

// keep puts the line behind the others, or in place of the run's newest.
func (t *Tail) keep(l kept, like bool) {
	if like {
		before := &t.last[(t.next+len(t.last)-1)%len(t.last)]
		l.like = before.like + 1
		*before = l
		return
	}
	t.last[t.next] = l
	t.next = (t.next + 1) % len(t.last)
	t.full = t.full || t.next == 0
}

// Lines returns what is kept, oldest first. Where lines are left out, one stands
// for them that says how many.
func (t *Tail) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.last[:t.next]
	if t.full {
		last = slices.Concat(t.last[t.next:], t.last[:t.next])
	}
	all := last
	if len(last) > 0 {
		all = append(t.troubles.before(last[0].number), last...)
	}
	out := make([]string, 0, len(all))
	at := 0
	for _, l := range all {
		if l.like > 0 {
			out = append(out, fmt.Sprintf("… [%d like lines left out]", l.like))
		} else if at > 0 && l.number > at+1 {
			out = append(out, fmt.Sprintf("… [%d lines left out]", l.number-at-1))
		}
		at = l.number
		out = append(out, l.text)
	}
	return out
}
