package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/filelock"
	"github.com/vision-platform/trainer-agent/agent/internal/redact"
	"github.com/vision-platform/trainer-agent/contract"
)

// Outbox is the queue and its sender. Its methods may be called from any
// goroutine; Run is called once.
type Outbox struct {
	lock    *filelock.Lock
	log     *slog.Logger
	now     func() time.Time
	seal    *seal
	redact  *redact.Redactor
	queue   *queue
	rejects *rejects
	answers *answers
	sender  *sender
}

// Append accepts a message: when it returns nil, the message is on disk and will
// be delivered. The error is ErrFull, ErrFinal, ErrTooLarge, ErrClosed, or the disk's.
func (o *Outbox) Append(msg contract.Message) error {
	_, err := o.accept([]contract.Message{msg}, "", nil)
	return err
}

// AppendAll is Append for many messages, in one sync. When it fails, those before
// the one that did may be delivered all the same.
func (o *Outbox) AppendAll(msgs []contract.Message) error {
	if len(msgs) == 0 {
		return nil
	}
	_, err := o.accept(msgs, "", nil)
	return err
}

// AppendLatest is Append for a message that says how things are now: it takes
// the place of the one that waits under the same slot (the merging law, 1).
func (o *Outbox) AppendLatest(slot string, msg contract.Message) error {
	_, err := o.accept([]contract.Message{msg}, slot, nil)
	return err
}

// AppendAndWait is Append, and then waits for the backend's answer until ctx
// ends. delivered is false when the answer did not come in time, in which case
// the message is delivered later, or when the backend refused it. While the
// backend is known to be away nothing is waited for: an outage must not cost
// the trainer a deadline every epoch. err is an error of Append: the message
// was not accepted.
func (o *Outbox) AppendAndWait(ctx context.Context, msg contract.Message) (answer []byte, delivered bool, err error) {
	ch := make(chan reply, 1)
	seq, err := o.accept([]contract.Message{msg}, "", func(seq uint64) { o.answers.expect(seq, ch) })
	if err != nil {
		return nil, false, err
	}
	if o.sender.troubled.Load() {
		o.answers.forget(seq)
		return nil, false, nil
	}
	select {
	case r := <-ch:
		return r.body, r.delivered, nil
	case <-ctx.Done():
		o.answers.forget(seq)
		return nil, false, nil
	}
}

func (o *Outbox) accept(msgs []contract.Message, slot string, enlist func(uint64)) (uint64, error) {
	records := make([]record, len(msgs))
	for i, m := range msgs {
		if m.Kind.Final() {
			return 0, fmt.Errorf("a %s message ends the job: it has a place of its own", m.Kind)
		}
		records[i] = o.recordOf(m, slot)
	}
	seq, err := intake{o.queue}.accept(records, enlist)
	if err != nil && enlist != nil {
		o.answers.forget(seq)
	}
	return seq, err
}

// recordOf makes the record of a message that comes from outside, without secrets.
func (o *Outbox) recordOf(m contract.Message, slot string) record {
	m.Body = o.redact.JSON(m.Body)
	return recordOf(m, slot)
}

// alone makes the record of a message that has a place of its own, and locks the queue.
func (o *Outbox) alone(m contract.Message) (r record, unlock func(), err error) {
	if r = o.recordOf(m, ""); sendable(r) != nil {
		return r, nil, sendable(r)
	}
	o.queue.mu.Lock()
	if o.queue.closed {
		o.queue.mu.Unlock()
		return r, nil, ErrClosed
	}
	return r, o.queue.mu.Unlock, nil
}

// Run is the one sender: it delivers what waits, in order and one at a time,
// until ctx ends. It returns ctx's error, or why it cannot run at all.
func (o *Outbox) Run(ctx context.Context) error { return o.sender.run(ctx) }

// Close gives the files back. Run must have returned.
func (o *Outbox) Close() error {
	o.queue.mu.Lock()
	defer o.queue.mu.Unlock()
	if o.queue.closed {
		return nil
	}
	o.queue.closed = true
	o.sender.client.Close()
	return errors.Join(o.queue.journal.store.Close(), o.rejects.close(), o.queue.final.close(), o.lock.Unlock())
}
