package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/contract"
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

// limits bound what waits.
type limits struct {
	dir  string
	most int64 // bytes of bodies
	free func(dir string) (uint64, error)
}

// room decides whether a message is taken beside those that wait (bytes of bodies)
// in a log that takes used bytes of the disk.
func (l limits) room(kind contract.Kind, size, bytes, used int64) error {
	if used+size > 2*l.most+spoolRest {
		return fmt.Errorf("%w: it takes %d bytes of the disk", ErrFull, used)
	}
	if !replaceable(kind) {
		if bytes+size > l.most {
			return fmt.Errorf("%w: %d bytes wait for the backend", ErrFull, bytes)
		}
		return nil
	}
	if bytes+size > l.most/4*3 {
		return fmt.Errorf("%w for %s messages: %d bytes wait for the backend", ErrFull, kind, bytes)
	}
	if free, err := l.free(l.dir); err == nil && free < diskReserve {
		return fmt.Errorf("%w for %s messages: %d bytes are free on the disk of %s", ErrFull, kind, free, l.dir)
	}
	return nil
}

// accept takes messages that are durable when it returns nil, in one sync. enlist,
// when set, is called with the last one's sequence before anybody can send it.
func (q *queue) accept(records []record, enlist func(seq uint64)) (last uint64, err error) {
	for _, r := range records {
		if err := sendable(r); err != nil {
			return 0, err
		}
	}
	last, b, err := q.enter(records, enlist)
	if err != nil {
		return 0, err
	}
	return last, q.commit(b)
}

// enter writes messages, if they may still come and there is room for them.
func (q *queue) enter(records []record, enlist func(seq uint64)) (last uint64, b *batch, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return 0, nil, ErrClosed
	case q.final.state != finalNone:
		return 0, nil, ErrFinal
	}
	for i, r := range records {
		if err = q.limits.room(r.kind, int64(len(r.body)), q.index.bytes, q.journal.store.Size()); err == nil {
			last, b, err = q.put(r)
		}
		if err != nil {
			q.counts.refused += len(records) - i
			return 0, nil, err
		}
	}
	if enlist != nil {
		enlist(last)
	}
	return last, b, nil
}

// sendable checks what no later step could repair.
func sendable(r record) error {
	if len(r.body) > MaxMessageBytes {
		return ErrTooLarge
	}
	if r.kind.Pattern() == "" || !json.Valid(r.body) {
		return fmt.Errorf("the %q message is of no known kind or its body is not JSON", r.kind)
	}
	return nil
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

// head takes the next message to deliver: the oldest in the queue, then the final
// one, or that one at once when time is nearly over. From here on it is not merged
// with any other. After a final message that was delivered nothing is sent: a job
// that has ended must not be made to run again by what is late.
func (q *queue) head() (record, bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.final.state == finalDelivered || q.closed {
		return record{}, false, nil
	}
	if q.finalFirst && q.final.state == finalStored {
		return q.final.rec, true, nil
	}
	r, found, err := q.repaired(func() (record, bool, error) { return q.journal.behind(0) })
	if err != nil {
		return record{}, false, err
	}
	if !found && q.final.state == finalStored {
		// A message that came before the final one may still be on its way to the
		// disk: its commit wakes the sender.
		_, _, waits, err := q.journal.store.First()
		if waits || err != nil {
			return record{}, false, err
		}
		return q.final.rec, true, nil
	}
	if found {
		q.index.trying = max(q.index.trying, r.seq)
	}
	return r, found, nil
}

// follower is the nth message behind the head, and after the last of them the
// final one: what is tried when the head alone may be at fault.
func (q *queue) follower(n int) (r record, found bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r, found, err := q.repaired(func() (record, bool, error) { return q.journal.behind(n) })
	if err != nil {
		return record{}, false
	}
	if found {
		q.index.trying = max(q.index.trying, r.seq)
		return r, true
	}
	if n == q.journal.store.Waiting() && q.final.state == finalStored {
		return q.final.rec, true
	}
	return record{}, false
}

// early reports whether a message was delivered out of its turn.
func (q *queue) early(seq uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.index.early[seq]
}

// settle takes a message out of the queue that was delivered or put aside. A
// disk that does not let it be forgotten only means that it may be sent again
// after a restart, under the same key.
func (q *queue) settle(r record, state finalState) {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.stir()
	q.counts.settled++
	if q.isFinal(r) {
		if err := q.final.mark(r, state); err != nil {
			q.log.Warn("the final message's delivery could not be noted", "error", err)
			q.final.state = state
		}
		return
	}
	if first, _, found, err := q.journal.store.First(); err == nil && found && first.Seq < r.seq {
		q.index.early[r.seq] = true // it leaves when its turn comes
		return
	}
	before := q.journal.store.Waiting()
	if err := q.journal.store.Done(r.seq); err != nil {
		q.log.Warn("a delivered message could not be removed from the outbox", "sequence", r.seq, "error", err)
	}
	q.index.settled(r, q.journal.store.Waiting() < before)
}

// pass drops a message that was delivered out of its turn.
func (q *queue) pass(r record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.stir()
	if err := q.journal.store.Done(r.seq); err != nil {
		q.log.Warn("a delivered message could not be removed from the outbox", "sequence", r.seq, "error", err)
	}
	q.index.settled(r, true)
}

func (q *queue) isFinal(r record) bool {
	return q.final.state != finalNone && r.seq == q.final.rec.seq && r.kind.Final()
}

// putFinalFirst lets the final message go ahead of the rest, or no longer. It
// reports whether there is one to go.
func (q *queue) putFinalFirst(on bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.finalFirst = on
	return on && q.final.state == finalStored
}

func (q *queue) isFinalFirst() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.finalFirst && q.final.state == finalStored
}

// stir wakes whoever waits for the queue to get shorter.
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
	if err := q.replace(err); err != nil {
		return record{}, false, err
	}
	return find()
}
