package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

const (
	finalReserve = time.Minute             // of a flush is the final message's own, or a third of it if that is less
	lastChance   = 1500 * time.Millisecond // for a final message that a flush which was cut short did not come to
)

// ErrLeft says that the final message was delivered, and others that waited before it were
// not: they are in Export.
var ErrLeft = errors.New("the final message was delivered ahead of others")

// AppendFinal accepts the message that ends the job, in the place that is
// reserved for it. It is delivered after everything else, and nothing is
// accepted after it. When a final message is stored already, of this life or an
// earlier one, that one stays and nothing is added.
func (o *Outbox) AppendFinal(msg contract.Message) error {
	r, unlock, err := o.alone(msg)
	if err != nil {
		return err
	}
	defer unlock()
	q := o.queue
	if q.final.state != finalNone {
		o.log.Info("a final message is stored already, the new one is dropped", "key", o.rejects.key(q.final.rec.seq))
		return nil
	}
	r.seq = q.index.next
	if err := q.final.write(r); err != nil {
		return err
	}
	if err := q.journal.store.Skip(r.seq); err != nil {
		o.log.Warn("the final message's key could not be noted", "error", err)
	}
	q.index.next++
	q.counts.accepted++
	q.wake()
	return nil
}

// Flush waits until everything accepted is delivered or put aside, or ctx ends.
// It makes the sender hurry: a wait between two tries ends at once, later ones
// are four seconds at most, and a backlog is no longer paced. The last part of
// ctx's time belongs to the final message, whatever waits before it; the error is
// then ErrLeft. Run must be running.
func (o *Outbox) Flush(ctx context.Context) error {
	o.sender.flush(+1)
	defer o.sender.flush(-1)
	o.queue.wake()
	reserve := time.NewTimer(untilReserve(ctx))
	defer reserve.Stop()
	ended, last := ctx.Done(), (<-chan time.Time)(nil)
	for {
		left, over, moved := o.queue.state()
		switch {
		case left == 0:
			return nil
		case over:
			return fmt.Errorf("flushing the outbox, %d messages left: %w", left, ErrLeft)
		}
		select {
		case <-moved:
		case <-reserve.C:
			o.sender.expedite()
		case <-ended:
			if !o.sender.queue.hasLastChance() {
				return fmt.Errorf("flushing the outbox, %d messages left: %w", left, ctx.Err())
			}
			ended, last = nil, time.After(lastChance)
			o.sender.expedite()
		case <-last:
			return fmt.Errorf("flushing the outbox, %d messages left: %w", left, ctx.Err())
		}
	}
}

// untilReserve is how long everything may take before the final message goes first.
func untilReserve(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Duration(1<<63 - 1)
	}
	left := time.Until(deadline)
	return left - min(left/3, finalReserve)
}

// Final is the stored final message and what became of it.
type Final struct {
	Message   contract.Message
	Delivered bool
	Rejected  bool // refused by the backend
}

// Final returns the final message, of this life or an earlier one. An agent
// that finds one which is not delivered was killed while flushing: its job has
// ended, and only Run and Flush are left to do.
func (o *Outbox) Final() (f Final, stored bool) {
	q := o.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.final.state == finalNone {
		return Final{}, false
	}
	return Final{
		Message:   q.final.rec.message(),
		Delivered: q.final.state == finalDelivered,
		Rejected:  q.final.state == finalRejected,
	}, true
}

// Reopen forgets the final message of an earlier life and what was kept, because
// the job runs again and will end with a message of its own. Messages that wait stay.
func (o *Outbox) Reopen() error {
	q := o.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if q.final.state == finalStored {
		o.log.Warn("the final message of an earlier run was never delivered, this run's will take its place",
			"key", o.rejects.key(q.final.rec.seq))
	}
	defer q.wake()
	return errors.Join(forget(q.journal.folder.path), q.final.clear())
}

// Keep stores a message that is not sent, one a kind, the newest wins: the
// child's own final message, from which agent.go makes the one that is sent.
func (o *Outbox) Keep(msg contract.Message) error {
	r, unlock, err := o.alone(msg)
	if err != nil {
		return err
	}
	defer unlock()
	return refusal(keep(o.queue.journal.folder.path, o.seal, r))
}

// Kept returns what Keep stored, in this life or an earlier one.
func (o *Outbox) Kept(kind contract.Kind) (msg contract.Message, found bool) {
	q := o.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return contract.Message{}, false
	}
	r, found, err := kept(q.journal.folder.path, o.seal, kind)
	if err != nil {
		o.log.Warn("the kept message is unreadable", "kind", kind, "error", err)
		return contract.Message{}, false
	}
	return r.message(), found
}
