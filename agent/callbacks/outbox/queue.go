package outbox

import (
	"errors"
	"log/slog"
	"sync"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
)

// A queue has the messages that wait, in order, and the final one behind them. Its
// lock is not held through a sync.
type queue struct {
	log    *slog.Logger
	limits limits

	mu      sync.Mutex // guards all below
	journal *journal
	index   index
	final   *finalSlot
	counts  counts
	closed  bool
	// finalFirst: time is nearly over, so the final message goes ahead of the rest.
	finalFirst bool
	// news has a token when something was stored or the order of sending changed.
	news chan struct{}
	// moved is closed and replaced when a message leaves the queue.
	moved chan struct{}
}

// put writes a record under the next sequence, merging it with a waiting one
// where the law says so. It is durable when the batch is that it returns.
func (q *queue) put(r record) (uint64, *batch, error) {
	r.seq = q.index.next
	old, merged := q.merge(&r)
	at, b, err := q.journal.write(r, old.seq)
	if err != nil {
		return 0, nil, err
	}
	q.index.add(entryOf(r, at), old)
	q.counts.accepted++
	if merged {
		q.counts.merged++
	}
	return r.seq, b, nil
}

func (q *queue) commit(b *batch) error {
	err := q.journal.commit(b, &q.mu)
	q.wake()
	return err
}

// wake lets the sender look again.
func (q *queue) wake() {
	select {
	case q.news <- struct{}{}:
	default:
	}
}

func (q *queue) isFinal(r record) bool {
	return q.final.state != finalNone && r.seq == q.final.rec.seq && r.kind.Final()
}

// stir wakes those who wait for the queue to get shorter.
func (q *queue) stir() {
	close(q.moved)
	q.moved = make(chan struct{})
}

// waiting counts what is accepted and neither delivered nor aside.
func (q *queue) waiting() int {
	n := q.journal.store.Waiting() - len(q.index.early)
	if q.final.state == finalStored {
		n++
	}
	return n
}

// state is what Flush waits for: what is left, and a channel that is closed when
// that changes. ended: the final message was settled, and the rest is not sent.
func (q *queue) state() (left int, ended bool, moved <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting(), q.final.state == finalDelivered, q.moved
}

// repaired replaces a damaged store and repeats what found the damage.
func (q *queue) repaired(find func() (record, bool, error)) (record, bool, error) {
	r, found, err := find()
	if !errors.Is(err, spool.ErrDamaged) {
		return r, found, err
	}
	q.journal.store.Abandon()
	if err := (repair{q}).replace(err); err != nil {
		return record{}, false, err
	}
	return find()
}
