package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// sayEvery is how long a person waits for the next line.
const sayEvery = 2 * time.Second

// meter writes a line now and then about an upload that takes longer than a moment.
type meter struct {
	out   io.Writer
	files int
	bytes int64

	mu         sync.Mutex
	begun, at  time.Time
	sent       int64
	done, said int
}

// add counts a file that is stored.
func (m *meter) add(size int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.begun.IsZero() {
		m.begun, m.at = now, now
	}
	m.done, m.sent = m.done+1, m.sent+size
	if now.Sub(m.at) >= sayEvery {
		m.at = now
		m.say(now)
	}
}

// end says what there is in the end, also of an upload that broke off.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.done != m.said || m.done == 0 {
		m.say(time.Now())
	}
}

func (m *meter) say(now time.Time) {
	rate := ""
	if spent := now.Sub(m.begun).Seconds(); !m.begun.IsZero() && spent >= 1 {
		rate = ", " + contract.Bytes(int64(float64(m.sent)/spent)) + "/s"
	}
	m.said = m.done
	_, _ = fmt.Fprintf(m.out, "put: %d of %d files, %s of %s%s\n", m.done, m.files, contract.Bytes(m.sent), contract.Bytes(m.bytes), rate)
}
