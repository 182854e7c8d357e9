package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/contract"
)

// Outbox is the queue and its sender. Its methods may be called from any
// goroutine; Run is called once.
type Outbox struct {
	dir    string
	opts   Options
	log    *slog.Logger
	client *client

	changed chan struct{} // a token: something was stored, or flushing began
	waiters map[uint64]chan reply

	syncing sync.Mutex // held through a sync of the store; taken before mu

	mu       sync.Mutex // guards all below, and is not held through a sync
	store    *spool.Spool
	batch    *batch // what the next sync makes durable
	durable  uint64 // every sequence up to it is on disk
	lock     *os.File
	final    *finalSlot
	rejected *rejectedFile
	closed   bool
	next     uint64           // the next sequence
	done     uint64           // every sequence below is delivered or aside
	trying   uint64           // the sequence that has been tried, 0 when none has
	slots    map[string]entry // the message that waits under each slot
	newest   entry            // the newest message
	bytes    int64
	flushing int           // calls of Flush under way
	moved    chan struct{} // closed and replaced when a message leaves the queue
	running  bool
	troubled bool // the last try failed
	counts   counts
	setAside []string
}

// reply is what became of a message whose caller waits.
type reply struct {
	body      []byte
	delivered bool
}

func newOutbox(dir string, opts Options) *Outbox {
	return &Outbox{
		dir: dir, opts: opts, log: opts.Logger,
		changed: make(chan struct{}, 1),
		moved:   make(chan struct{}),
		waiters: map[uint64]chan reply{},
		batch:   &batch{},
	}
}

// Append accepts a message: when it returns nil, the message is on disk and will
// be delivered. The error is ErrFull, ErrFinal, ErrTooLarge, ErrClosed, or the disk's.
func (o *Outbox) Append(msg contract.Message) error {
	_, err := o.accept(msg, "", nil)
	return err
}

// AppendLatest is Append for a message that says how things are now: it takes
// the place of the one that waits under the same slot (the merging law, 1).
func (o *Outbox) AppendLatest(slot string, msg contract.Message) error {
	_, err := o.accept(msg, slot, nil)
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
	seq, err := o.accept(msg, "", ch)
	if err != nil {
		return nil, false, err
	}
	if o.forgetIfAway(seq) {
		return nil, false, nil
	}
	select {
	case r := <-ch:
		return r.body, r.delivered, nil
	case <-ctx.Done():
		o.mu.Lock()
		delete(o.waiters, seq)
		o.mu.Unlock()
		return nil, false, nil
	}
}

// forgetIfAway takes the waiter of a message back if the backend is away.
func (o *Outbox) forgetIfAway(seq uint64) (away bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.troubled {
		delete(o.waiters, seq)
	}
	return o.troubled
}

func (o *Outbox) accept(msg contract.Message, slot string, wait chan reply) (uint64, error) {
	if err := sendable(msg); err != nil {
		return 0, err
	}
	seq, b, err := o.enter(record{kind: msg.Kind, at: msg.Time, slot: slot, body: msg.Body}, wait)
	if err != nil {
		return 0, err
	}
	if err := o.commit(b); err != nil {
		o.mu.Lock()
		delete(o.waiters, seq)
		o.mu.Unlock()
		return 0, err
	}
	return seq, nil
}

// enter writes a message, if it may still come and there is room for it.
func (o *Outbox) enter(r record, wait chan reply) (seq uint64, b *batch, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return 0, nil, ErrClosed
	case o.final.state != finalNone:
		return 0, nil, ErrFinal
	}
	if err = o.room(r.kind, int64(len(r.body))); err == nil {
		seq, b, err = o.put(r)
	}
	if err != nil {
		o.counts.refused++
		return 0, nil, err
	}
	if wait != nil {
		o.waiters[seq] = wait
	}
	return seq, b, nil
}

// sendable checks what no later step could mend.
func sendable(msg contract.Message) error {
	if len(msg.Body) > MaxMessageBytes {
		return ErrTooLarge
	}
	if msg.Kind.Pattern() == "" || !json.Valid(msg.Body) {
		return fmt.Errorf("the %q message is of no known kind or its body is not JSON", msg.Kind)
	}
	return nil
}

// room decides whether the queue takes the message.
func (o *Outbox) room(kind contract.Kind, size int64) error {
	if used := o.store.Size(); used+size > 2*o.opts.MaxBytes+spoolRest {
		return fmt.Errorf("%w: it takes %d bytes of the disk", ErrFull, used)
	}
	if !replaceable(kind) {
		if o.bytes+size > o.opts.MaxBytes {
			return fmt.Errorf("%w: %d bytes wait for the backend", ErrFull, o.bytes)
		}
		return nil
	}
	if o.bytes+size > o.opts.MaxBytes/4*3 {
		return fmt.Errorf("%w for %s messages: %d bytes wait for the backend", ErrFull, kind, o.bytes)
	}
	if free, err := o.opts.DiskFree(o.dir); err == nil && free < diskReserve {
		return fmt.Errorf("%w for %s messages: %d bytes are free on the disk of %s", ErrFull, kind, free, o.dir)
	}
	return nil
}

// Close gives the files back. Run must have returned.
func (o *Outbox) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	o.closed = true
	o.client.close()
	err := o.store.Close()
	if o.rejected != nil {
		err = errors.Join(err, o.rejected.close())
	}
	return errors.Join(err, o.final.close(), o.lock.Close())
}

// wake tells the sender and Flush that something has changed.
func (o *Outbox) wake() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

func (o *Outbox) key(seq uint64) string { return fmt.Sprintf("%s:%d", o.opts.JobID, seq) }

// reportDamage tells the log, Stats and the backend that a file was set aside.
// The event is best effort: the outbox that reports is the one that was damaged.
func (o *Outbox) reportDamage(aside, cause string, saved int) {
	o.setAside = append(o.setAside, aside)
	o.log.Error("the outbox store was damaged and is set aside", "file", aside, "cause", cause, "messages_saved", saved)
	data, _ := json.Marshal(map[string]any{"file": aside, "cause": cause, "messages_saved": saved})
	now := o.opts.Now()
	msg, err := contract.NewMessage(contract.KindEvent, contract.Event{
		EventType: contract.EventResourceWarning,
		Message:   "The agent's store of unsent callbacks was damaged; some may be lost.",
		Data:      data, Timestamp: contract.At(now),
	}, now)
	if err != nil || o.store == nil || (o.final != nil && o.final.state != finalNone) {
		return
	}
	var seq uint64
	if seq, _, err = o.put(record{kind: msg.Kind, at: now, body: msg.Body}); err == nil {
		err = o.store.Sync(seq)
		o.durable = o.store.Last()
	}
	if err != nil {
		o.log.Warn("the damage could not be reported to the backend", "error", err)
	}
}

// age is how long ago t was, never negative.
func age(now, t time.Time) time.Duration { return max(0, now.Sub(t)) }
