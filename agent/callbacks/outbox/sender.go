package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/vision-platform/trainer-agent/agent/internal/pause"
	"github.com/vision-platform/trainer-agent/contract"
)

// Run is the one sender: it delivers what waits, in order and one at a time,
// until ctx ends. It returns ctx's error, or why it cannot run at all.
func (o *Outbox) Run(ctx context.Context) error {
	o.mu.Lock()
	twice := o.running
	o.running = true
	o.mu.Unlock()
	if twice {
		return errors.New("outbox: Run is called twice")
	}
	defer o.stopped()
	pace := rate.NewLimiter(drainPerSecond, drainBurst)
	for {
		r, found, err := o.head()
		if err != nil {
			o.log.Error("the outbox cannot be read", "error", err)
		}
		if !found {
			select {
			case <-o.changed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := o.send(ctx, r, pace); err != nil {
			return err
		}
	}
}

func (o *Outbox) stopped() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.running = false
}

// head takes the next message to deliver: the oldest in the queue, then the
// final one. From here on it is not merged with any other.
func (o *Outbox) head() (record, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, found, err := o.settleDamage(o.oldest)
	if err != nil {
		return record{}, false, err
	}
	if !found && o.final.state == finalStored {
		// A message that came before the final one may still be on its way to the
		// disk: its commit wakes the sender.
		_, _, waits, err := o.store.First()
		if waits || err != nil {
			return record{}, false, err
		}
		r, found = o.final.rec, true
	}
	if found {
		o.trying = r.seq
	}
	return r, found, nil
}

// send delivers one message, or puts it aside when the backend refuses it.
func (o *Outbox) send(ctx context.Context, r record, pace *rate.Limiter) error {
	if !o.isFlushing() {
		if pause.For(ctx, pace.Reserve().Delay()) != nil { // the pace at which a backlog is drained
			return ctx.Err()
		}
	}
	p := parcel{path: r.kind.Path(o.opts.JobID), key: o.key(r.seq), trace: o.opts.TraceID, body: r.body}
	outage := outageLog{log: o.log, now: o.opts.Now}
	out, err := o.client.deliver(ctx, p, func(err error, wait time.Duration) {
		o.retried()
		outage.failed(err, wait)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		// The request cannot even be made, which no retry changes: aside with it,
		// or it would block the queue for ever.
		out = outcome{reply: []byte(err.Error())}
	}
	if out.delivered() {
		outage.recovered()
		o.settle(r, finalDelivered, reply{body: out.reply, delivered: true})
		o.opts.OnDelivered(r.message(), out.reply)
		return nil
	}
	o.refused(r, out)
	return nil
}

func (o *Outbox) isFlushing() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.flushing > 0
}

func (o *Outbox) retried() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts.retries++
	o.troubled = true
}

// settle takes a message out of the queue and tells whoever waits for it. A
// disk that does not let it be forgotten only means that it may be sent again
// after a restart, under the same key.
func (o *Outbox) settle(r record, final finalState, answer reply) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.trying, o.troubled = 0, false
	o.counts.settled++
	if o.final.state == finalStored && r.seq == o.final.rec.seq {
		if err := o.final.mark(r, final); err != nil {
			o.log.Warn("the final message's delivery could not be noted", "error", err)
			o.final.state = final
		}
	} else {
		o.drop(r)
	}
	if ch, ok := o.waiters[r.seq]; ok {
		ch <- answer // has room for one
		delete(o.waiters, r.seq)
	}
	close(o.moved)
	o.moved = make(chan struct{})
}

// Flush waits until everything accepted is delivered or put aside, or ctx ends.
// It makes the sender hurry: a wait between two tries ends at once, later ones
// are four seconds at most, and a backlog is no longer paced. Run must be running.
func (o *Outbox) Flush(ctx context.Context) error {
	o.flush(+1)
	defer o.flush(-1)
	o.wake()
	for {
		o.mu.Lock()
		left, moved := o.waitingLocked(), o.moved
		o.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("flushing the outbox, %d messages left: %w", left, ctx.Err())
		}
	}
}

// flush counts the calls of Flush under way.
func (o *Outbox) flush(by int) {
	o.mu.Lock()
	o.flushing += by
	hurry := o.flushing > 0
	o.mu.Unlock()
	o.client.hurry(hurry)
}

// waitingLocked counts what is accepted and neither delivered nor aside.
func (o *Outbox) waitingLocked() int {
	if o.final.state == finalStored {
		return o.store.Waiting() + 1
	}
	return o.store.Waiting()
}

// refused puts a message aside and tells the log, the caller and the backend.
func (o *Outbox) refused(r record, out outcome) {
	o.log.Warn("the backend refused a message, it is put aside",
		"kind", r.kind, "key", o.key(r.seq), "status", out.status, "answer", excerpt(out.reply))
	o.mu.Lock()
	err := o.rejected.add(o.line(r, &out))
	o.counts.rejected++
	o.mu.Unlock()
	if err != nil {
		o.log.Error("the refused message could not be put aside", "key", o.key(r.seq), "error", err, "body", excerpt(r.body))
	}
	o.reportRejected(r, out) // before it leaves the queue, or Flush could end between the two
	o.settle(r, finalRejected, reply{})
	o.opts.OnRejected(r.message(), out.status, excerpt(out.reply))
}

// reportRejected raises the one event of a refused message. A refused
// callback_rejected event raises none, or a backend that refuses events would
// be sent them for ever.
func (o *Outbox) reportRejected(r record, out outcome) {
	if o.isRejectedEvent(r) {
		return
	}
	b, err := o.putRejectedEvent(r, out)
	if err == nil && b != nil {
		err = o.commit(b)
	}
	if err != nil {
		o.log.Warn("the refusal could not be reported to the backend", "error", err)
	}
}

// putRejectedEvent returns no batch when the job has ended and nothing may follow.
func (o *Outbox) putRejectedEvent(r record, out outcome) (*batch, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.final.state != finalNone {
		return nil, nil
	}
	event, err := o.rejectedEvent(r, out)
	if err != nil {
		return nil, err
	}
	_, b, err := o.put(event)
	return b, err
}

// isRejectedEvent reports whether r is an event of our own about refusals.
func (o *Outbox) isRejectedEvent(r record) bool {
	return r.kind == contract.KindEvent && r.slot == rejectedSlot
}
