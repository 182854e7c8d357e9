package process

import (
	"bytes"
	"sync"
	"testing"
)

// waitFor is a writer that keeps everything and lets a test wait for a text. The
// test binary's own timeout is the only deadline.
type waitFor struct {
	mu   sync.Mutex
	text []byte
	all  bytes.Buffer
	seen chan struct{}
}

func newWaitFor(text string) *waitFor {
	return &waitFor{text: []byte(text), seen: make(chan struct{})}
}

func (w *waitFor) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := bytes.Contains(w.all.Bytes(), w.text)
	w.all.Write(b)
	if !before && bytes.Contains(w.all.Bytes(), w.text) {
		close(w.seen)
	}
	return len(b), nil
}

func (w *waitFor) wait(t *testing.T) {
	t.Helper()
	select {
	case <-w.seen:
	case <-t.Context().Done():
		t.Fatalf("never saw %q", w.text)
	}
}

func (w *waitFor) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}
