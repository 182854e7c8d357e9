package dataset

import (
	"encoding/json"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/agent/internal/regular"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

const (
	reportEvery = 500 * time.Millisecond
	rateWindow  = 10       // reports over which the rate is taken
	maxProgress = 64 << 10 // bytes
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
	crew.Go(func() {
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
	})
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
		writeProgress(file, b)
	}
}

// writeProgress is for those who wait; a torn one is not read. The file may be in a cache
// that trainings of other jobs can write to.
func writeProgress(file string, b []byte) {
	if out, err := regular.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644); err == nil {
		_, _ = out.Write(b)
		_ = out.Close()
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
	if b, err := regular.Read(file, maxProgress); err == nil {
		if json.Unmarshal(b, &t) != nil {
			return
		}
	}
	t.Waiting = true
	m.report(t)
}
