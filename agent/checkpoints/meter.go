package checkpoints

import (
	"sync"
	"time"
)

// meter counts the bytes of one upload, and of all uploads together.
type meter struct {
	all   *totals
	name  string
	total int64

	mu   sync.Mutex
	done int64
}

// count takes what was read for sending. A part that is sent again is not
// counted above the total.
func (m *meter) count(n int) { m.add(int64(n)) }

func (m *meter) add(n int64) {
	m.mu.Lock()
	n = max(0, min(n, m.total-m.done))
	m.done += n
	m.mu.Unlock()
	m.all.sent(n)
}

func (m *meter) read() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.done
}

// totals measure throughput over the last seconds.
type totals struct {
	now func() time.Time

	mu    sync.Mutex
	slots [rateWindow]int64
	last  int64 // second of the newest slot
}

// rateWindow is the length in seconds over which a rate is a mean.
const rateWindow = 10

func (t *totals) sent(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.roll()
	t.slots[t.last%rateWindow] += n
}

// roll empties the slots of the seconds that have passed.
func (t *totals) roll() {
	now := t.now().Unix()
	for range min(now-t.last, rateWindow) {
		t.last++
		t.slots[t.last%rateWindow] = 0
	}
	t.last = max(t.last, now)
	t.slots[t.last%rateWindow] += 0
}

// rate is the mean of the last rateWindow seconds in bytes a second.
func (t *totals) rate() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.roll()
	var sum int64
	for _, n := range t.slots {
		sum += n
	}
	return sum / rateWindow
}
