package checkpoints

import (
	"slices"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/upload"
	"github.com/vision-platform/trainer-agent/contract"
)

// Stats are the counters of all uploads since New.
type Stats struct {
	Bytes    int64         // of files that are up
	Failures int64         // uploads that were, or are to be, tried again
	Waiting  int           // files and folders that are complete and not up, those under way included
	Last     time.Time     // the last upload came to its end; zero before the first
	Lag      time.Duration // of that one: from the last writing to the file to its object
}

// board is what can be seen from outside while the loop works.
type board struct {
	totals *upload.Totals

	mu          sync.Mutex
	stats       Stats // Waiting without those under way
	files       int64
	active      []*upload.Meter
	queuedBytes int64
}

// publish shows what waits and what is on its way.
func (b *board) publish(queued int, bytes int64, active []*upload.Meter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Waiting, b.queuedBytes, b.active = queued, bytes, active
}

// uploaded counts what is up.
func (b *board) uploaded(s scan.Source, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Bytes += s.Size
	b.files++
	b.stats.Last = now
	b.stats.Lag = max(0, now.Sub(s.Written()))
}

func (b *board) failed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Failures++
}

// progress is all uploads as one.
func (b *board) progress() contract.Transfer {
	rate := b.totals.Rate()
	b.mu.Lock()
	defer b.mu.Unlock()
	t := contract.Transfer{
		What: "checkpoints", BytesPerSecond: rate, Queued: b.stats.Waiting,
		BytesDone: b.stats.Bytes, BytesTotal: b.stats.Bytes + b.queuedBytes,
		FilesDone: b.files, FilesTotal: b.files + int64(b.stats.Waiting+len(b.active)),
	}
	for _, m := range b.active {
		one := m.Transfer()
		t.BytesDone += one.BytesDone
		t.BytesTotal += one.BytesTotal
	}
	return t
}

func (b *board) read() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Waiting += len(b.active)
	return s
}

// each is every upload in flight under its name.
func (b *board) each() []contract.Transfer {
	b.mu.Lock()
	active := slices.Clone(b.active)
	b.mu.Unlock()
	all := make([]contract.Transfer, 0, len(active))
	for _, m := range active {
		all = append(all, m.Transfer())
	}
	return all
}
