package dataset

import (
	"encoding/json"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	reportEvery = 500 * time.Millisecond
	rateWindow  = 10 // reports over which the rate is taken
)

// meter reports a transfer to one listener, and through a file to the jobs that
// wait for it.
type meter struct {
	what   string
	report func(contract.Transfer)
	now    func() time.Time

	progress atomic.Pointer[tree.Progress]
	total    atomic.Int64
	files    atomic.Int64
	mu       sync.Mutex
	samples  []sample
}

type sample struct {
	at    time.Time
	bytes int64
}

func newMeter(what string, report func(contract.Transfer), now func() time.Time) *meter {
	m := &meter{what: what, report: report, now: now}
	m.progress.Store(&tree.Progress{})
	return m
}

// begin sets the totals and returns fresh counters.
func (m *meter) begin(bytes, files int64) *tree.Progress {
	p := &tree.Progress{}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.samples = nil
	m.total.Store(bytes)
	m.files.Store(files)
	m.progress.Store(p)
	return p
}

// start reports about twice a second until the returned function is called,
// which reports once more.
func (m *meter) start(file string) (stop func()) {
	if m.report == nil && file == "" {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(reportEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				m.send(file)
			case <-done:
				m.send("")
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

func (m *meter) send(file string) {
	t := m.read()
	if m.report != nil {
		m.report(t)
	}
	if b, err := json.Marshal(t); err == nil && file != "" {
		_ = os.WriteFile(file, b, 0o644) // for those who wait; a torn one is not read
	}
}

func (m *meter) read() contract.Transfer {
	p := m.progress.Load()
	t := contract.Transfer{
		What: m.what, BytesDone: p.Bytes.Load(), BytesTotal: m.total.Load(),
		FilesDone: p.Files.Load(), FilesTotal: m.files.Load(),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.samples = append(m.samples, sample{m.now(), t.BytesDone})
	if len(m.samples) > rateWindow {
		m.samples = m.samples[1:]
	}
	first, last := m.samples[0], m.samples[len(m.samples)-1]
	if d := last.at.Sub(first.at); d > 0 {
		t.BytesPerSecond = int64(float64(last.bytes-first.bytes) / d.Seconds())
	}
	return t
}

// relay reports what the process that fills the entry has written down.
func (m *meter) relay(file string) {
	if m.report == nil {
		return
	}
	t := contract.Transfer{What: m.what}
	if b, err := os.ReadFile(file); err == nil {
		if json.Unmarshal(b, &t) != nil {
			return
		}
	}
	t.Waiting = true
	m.report(t)
}
