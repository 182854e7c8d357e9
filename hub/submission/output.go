package submission

import (
	"io"
	"strings"
	"sync"
)

// maxLive bounds what is kept of a step's output while it is taken.
const maxLive = 16 << 10

// Output is what the processes of steps write while they are taken, for those who watch.
// It is in memory: what stays is in the step's report.
type Output struct {
	mu sync.Mutex
	of map[string]*live // by submission
}

type live struct {
	mu   sync.Mutex
	text []byte
	hide *strings.Replacer
}

// Of takes what the processes of the task's step write. Whoever reads it sees it
// without what hide replaces. Done ends it.
func (o *Output) Of(t *Task, hide *strings.Replacer) (w io.Writer, done func()) {
	l := &live{hide: hide}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.of[t.ID] = l
	return l, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.of, t.ID)
	}
}

// Live is what the step that is being taken has written so far.
func (o *Output) Live(id string) string {
	if l := o.find(id); l != nil {
		return l.read()
	}
	return ""
}

func (o *Output) find(id string) *live {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.of[id]
}

// Write never fails; it keeps the end.
func (l *live) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p[max(0, len(p)-maxLive):]...)
	if over := len(l.text) - maxLive; over > 0 {
		l.text = append(l.text[:0], l.text[over:]...)
	}
	return len(p), nil
}

func (l *live) read() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hide.Replace(strings.ToValidUTF8(string(l.text), ""))
}

// clear begins the output of another step.
func (l *live) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = l.text[:0]
}
