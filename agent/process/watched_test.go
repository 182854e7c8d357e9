package process

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// watched is a writer that keeps everything and lets a test wait for a text. The
// only deadline is one after which the test has failed.
type watched struct {
	mu      sync.Mutex
	all     bytes.Buffer
	changed chan struct{}
}

func newWatched() *watched { return &watched{changed: make(chan struct{})} }

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(b)
	close(w.changed)
	w.changed = make(chan struct{})
	return len(b), nil
}

func (w *watched) wait(t *testing.T, text string) {
	t.Helper()
	w.waitN(t, text, 1)
}

func (w *watched) waitN(t *testing.T, text string, n int) {
	t.Helper()
	giveUp := time.NewTimer(30 * time.Second)
	defer giveUp.Stop()
	for {
		w.mu.Lock()
		enough := strings.Count(w.all.String(), text) >= n
		changed := w.changed
		w.mu.Unlock()
		if enough {
			return
		}
		select {
		case <-changed:
		case <-giveUp.C:
			t.Fatalf("never saw %q %d times in %q", text, n, w.String())
		}
	}
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// pids are the numbers after "ready".
func (w *watched) pids() []int {
	var pids []int
	for line := range strings.Lines(w.String()) {
		if number, ok := strings.CutPrefix(line, "ready "); ok {
			pid, _ := strconv.Atoi(strings.TrimSpace(number))
			pids = append(pids, pid)
		}
	}
	return pids
}
