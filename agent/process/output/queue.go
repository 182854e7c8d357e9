package output

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/converters/crew"
)

// DefaultQueue bounds a Queue in bytes.
const DefaultQueue = 4 << 20

const (
	patience = time.Second // for a writer that takes less than a piece in it
	piece    = 64 << 10    // bytes, what a Linux pipe holds
)

// Queue decouples a writer that may block, such as a stdout that nobody reads,
// from one that must not wait, such as a child's output. Order and bytes are kept:
// when the bound is reached, Write waits for a writer that is merely slow. One
// that stands still costs a second, once; from then on until it has caught up,
// what does not fit is dropped, counted, and named in the stream. Write is safe
// for concurrent use.
type Queue struct {
	w     io.Writer
	limit int
	wake  chan struct{}
	done  chan struct{}

	mu      sync.Mutex
	waiting []byte
	gap     int64 // bytes dropped since the last that was taken
	dropped int64
	closed  bool
	stuck   bool          // the writer stood still and has not caught up yet
	moved   chan struct{} // closed when the writer took a piece
	err     error         // the writer's first error; from then on everything is dropped
}

// NewQueue holds up to limit bytes (0 = DefaultQueue) for w. Close it.
func NewQueue(w io.Writer, limit int) *Queue {
	if limit <= 0 {
		limit = DefaultQueue
	}
	q := &Queue{w: w, limit: limit, wake: make(chan struct{}, 1), done: make(chan struct{}), moved: make(chan struct{})}
	crew.Go(q.run)
	return q
}

// Write always takes everything, if only to drop it.
func (q *Queue) Write(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && q.err == nil && !q.fits(b) && !q.stuck {
		q.wait()
	}
	switch {
	case q.closed, q.err != nil, !q.fits(b):
		q.gap += int64(len(b))
		q.dropped += int64(len(b))
	default:
		q.nameGap()
		q.waiting = append(q.waiting, b...)
		q.notify()
	}
	return len(b), nil
}

func (q *Queue) fits(b []byte) bool { return len(q.waiting)+len(b) <= q.limit }

// wait gives the lock away until the writer took a piece, or stands still.
func (q *Queue) wait() {
	moved := q.moved
	q.mu.Unlock()
	still := time.NewTimer(patience)
	defer still.Stop()
	select {
	case <-moved:
		q.mu.Lock()
	case <-still.C:
		q.mu.Lock()
		q.stuck = true
	}
}

// nameGap says in the stream what is missing there.
func (q *Queue) nameGap() {
	if q.gap > 0 && q.err == nil {
		q.waiting = fmt.Appendf(q.waiting, "\n[%d bytes of output dropped: it was not read fast enough]\n", q.gap)
		q.gap = 0
	}
}

// Dropped is the number of bytes that did not fit or that the writer refused.
func (q *Queue) Dropped() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// Close writes what waits, until ctx ends, and reports the writer's error. A
// writer that still blocks then keeps one goroutine and at most two bounds of
// memory until it returns.
func (q *Queue) Close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	q.notify()
	q.mu.Unlock()
	select {
	case <-q.done:
		return q.err
	case <-ctx.Done():
		return fmt.Errorf("writing the last of the output: %w", context.Cause(ctx))
	}
}

func (q *Queue) notify() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *Queue) run() {
	defer close(q.done)
	var batch []byte
	for range q.wake {
		var end bool
		batch, end = q.take(batch)
		for part := range slices.Chunk(batch, piece) {
			_, err := q.w.Write(part)
			q.note(err, len(part))
		}
		if end {
			return
		}
	}
}

// take swaps the buffers, so that writing needs no lock.
func (q *Queue) take(spare []byte) (batch []byte, end bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		q.nameGap()
	}
	batch, q.waiting, q.stuck = q.waiting, spare[:0], false
	q.stir()
	return batch, q.closed
}

// note counts a piece that is written or lost.
func (q *Queue) note(err error, length int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stir()
	if err == nil {
		return
	}
	if q.err == nil {
		q.err = fmt.Errorf("writing output: %w", err)
	}
	q.dropped += int64(length)
}

// stir wakes those who wait for room.
func (q *Queue) stir() {
	close(q.moved)
	q.moved = make(chan struct{})
}
