package outbox

import (
	"errors"

	"github.com/vision-platform/trainer-agent/contract"
)

// AppendFinal accepts the message that ends the job, in the place that is
// reserved for it. It is delivered after everything else, and nothing is
// accepted after it. When a final message is stored already, of this life or an
// earlier one, that one stays and nothing is added.
func (o *Outbox) AppendFinal(msg contract.Message) error {
	if err := sendable(msg); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return ErrClosed
	}
	if o.final.state != finalNone {
		o.log.Info("a final message is stored already, the new one is dropped", "key", o.key(o.final.rec.seq))
		return nil
	}
	if err := o.final.write(record{seq: o.next, kind: msg.Kind, at: msg.Time, body: msg.Body}); err != nil {
		return err
	}
	if err := o.store.Skip(o.next); err != nil {
		o.log.Warn("the final message's key could not be noted", "error", err)
	}
	o.next++
	o.counts.accepted++
	o.wake()
	return nil
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
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.final.state == finalNone {
		return Final{}, false
	}
	return Final{
		Message:   o.final.rec.message(),
		Delivered: o.final.state == finalDelivered,
		Rejected:  o.final.state == finalRejected,
	}, true
}

// Reopen forgets the final message of an earlier life and what was kept, because
// the job runs again and will end with a message of its own. Messages that wait stay.
func (o *Outbox) Reopen() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return ErrClosed
	}
	if o.final.state == finalStored {
		o.log.Warn("the final message of an earlier run was never delivered, this run's will take its place",
			"key", o.key(o.final.rec.seq))
	}
	return errors.Join(forget(o.dir), o.final.clear())
}

// Keep stores a message that is not sent, one a kind, the newest wins: the
// child's own final message, from which agent.go makes the one that is sent.
func (o *Outbox) Keep(msg contract.Message) error {
	if err := sendable(msg); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return ErrClosed
	}
	return refusal(keep(o.dir, record{kind: msg.Kind, at: msg.Time, body: msg.Body}))
}

// Kept returns what Keep stored, in this life or an earlier one.
func (o *Outbox) Kept(kind contract.Kind) (msg contract.Message, found bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return contract.Message{}, false
	}
	r, found, err := kept(o.dir, kind)
	if err != nil {
		o.log.Warn("the kept message is unreadable", "kind", kind, "error", err)
		return contract.Message{}, false
	}
	return r.message(), found
}
