package outbox

import (
	"encoding/json"
	"fmt"

	"github.com/vision-platform/trainer-agent/contract"
)

// An intake is the way into the queue: what is taken, and whether there is room.
type intake struct{ *queue }

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
func (q intake) accept(records []record, enlist func(seq uint64)) (last uint64, err error) {
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
func (q intake) enter(records []record, enlist func(seq uint64)) (last uint64, b *batch, err error) {
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
