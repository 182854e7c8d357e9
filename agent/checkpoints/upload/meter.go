package upload

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Meter counts how much of one upload has been read for sending.
type Meter struct {
	all   *Totals
	name  string
	total int64

	mu   sync.Mutex
	done int64
}

func (m *Meter) add(n int64) {
	m.mu.Lock()
	n = max(0, min(n, m.total-m.done))
	m.done += n
	m.mu.Unlock()
	m.all.sent(n)
}

// Transfer is what a bar shows.
func (m *Meter) Transfer() contract.Transfer {
	m.mu.Lock()
	defer m.mu.Unlock()
	return contract.Transfer{What: m.name, BytesDone: m.done, BytesTotal: m.total}
}

// body is what a store reads of one file. It dies with its context, so that an
// upload which is given up stops reading, and it counts every block once: a
// store reads a part twice, for its hash and for the wire, and again on a retry.
// It is safe for concurrent reads.
type body struct {
	ctx   context.Context
	r     io.ReaderAt
	size  int64
	meter *Meter

	mu   sync.Mutex
	seen []bool // by block
}

// blockBytes is the step in which progress is counted.
const blockBytes = 1 << 20

func newBody(ctx context.Context, r io.ReaderAt, size int64, m *Meter) *body {
	return &body{ctx: ctx, r: r, size: size, meter: m, seen: make([]bool, (size+blockBytes-1)/blockBytes)}
}

// ReadAt implements io.ReaderAt.
func (b *body) ReadAt(p []byte, at int64) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.r.ReadAt(p, at)
	b.count(at, int64(n))
	return n, err
}

// count marks the blocks that begin in the bytes read.
func (b *body) count(at, n int64) {
	var fresh int64
	b.mu.Lock()
	for i := (at + blockBytes - 1) / blockBytes; i*blockBytes < at+n && i < int64(len(b.seen)); i++ {
		if !b.seen[i] {
			b.seen[i] = true
			fresh += min(blockBytes, b.size-i*blockBytes)
		}
	}
	b.mu.Unlock()
	if fresh > 0 {
		b.meter.add(fresh)
	}
}

// NewMeter makes the meter of one upload of total bytes.
func NewMeter(all *Totals, name string, total int64) *Meter {
	return &Meter{all: all, name: name, total: total}
}

// NewTotals makes the sum of many meters.
func NewTotals(now func() time.Time) *Totals { return &Totals{now: now} }

// Totals measure the throughput of all uploads over the last seconds.
type Totals struct {
	now func() time.Time

	mu    sync.Mutex
	slots [rateWindow]int64
	last  int64 // second of the newest slot
}

// rateWindow is the length in seconds over which a rate is a mean.
const rateWindow = 10

func (t *Totals) sent(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.roll()
	t.slots[t.last%rateWindow] += n
}

// roll empties the slots of the seconds that have passed.
func (t *Totals) roll() {
	now := t.now().Unix()
	for range min(now-t.last, rateWindow) {
		t.last++
		t.slots[t.last%rateWindow] = 0
	}
	t.last = max(t.last, now)
}

// Rate is the mean of the last rateWindow seconds in bytes a second.
func (t *Totals) Rate() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.roll()
	var sum int64
	for _, n := range t.slots {
		sum += n
	}
	return sum / rateWindow
}
