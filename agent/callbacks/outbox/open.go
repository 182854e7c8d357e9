package outbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	storeName    = "queue" // a folder, see package spool
	slotName     = "final.slot"
	rejectedName = "rejected.jsonl"
)

// Open opens the outbox in dir, making it when there is none, and takes up what
// an earlier life of the agent left there. A damaged store, or one of another
// job, is set aside and reported in Stats.SetAside; what can be read of a
// damaged one is carried over. The error is a *contract.Failure when another
// agent holds the outbox.
func Open(dir string, opts Options) (*Outbox, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the outbox folder: %w", err)
	}
	o := newOutbox(dir, opts)
	if o.client, err = newClient(opts); err != nil {
		return nil, err
	}
	if o.lock, err = lock(dir); err != nil {
		return nil, fullAtStart(dir, err)
	}
	if err := o.openFiles(); err != nil {
		return nil, fullAtStart(dir, errors.Join(err, o.lock.Close()))
	}
	return o, nil
}

func (o *Outbox) openFiles() error {
	err := o.openStore()
	if err != nil {
		return err
	}
	slot := filepath.Join(o.dir, slotName)
	var damaged bool
	if o.final, damaged, err = openFinalSlot(slot); err != nil {
		return errors.Join(err, o.store.Close())
	}
	if damaged {
		o.reportDamage(slot, "the final message of an earlier life is unreadable", 0)
	}
	if o.final.state != finalNone {
		o.next = max(o.next, o.final.rec.seq+1)
	}
	if o.rejected, err = openRejected(filepath.Join(o.dir, rejectedName)); err != nil {
		return errors.Join(err, o.store.Close(), o.final.close())
	}
	return nil
}

// fullAtStart names a disk that is full before anything has begun.
func fullAtStart(dir string, err error) error {
	if !errors.Is(refusal(err), ErrFull) {
		return err
	}
	return contract.Failf(contract.CodeDiskFull, "The disk of %s has no room for the outbox: %w.", dir, err).
		WithHint("Free at least %d MiB or set WORKSPACE_DIR to a larger disk.", (slotSize+diskReserve)>>20)
}

// openStore opens the store and counts what waits in it.
func (o *Outbox) openStore() error {
	path := filepath.Join(o.dir, storeName)
	if err := finishSetAside(path); err != nil {
		return err
	}
	s, err := spool.Open(path, o.opts.JobID)
	if err == nil {
		if err = o.take(s); err != nil {
			s.Abandon()
		}
	}
	switch {
	case errors.Is(err, spool.ErrDamaged), errors.Is(err, spool.ErrOwner):
		return o.replaceStore(err)
	case err != nil:
		return fmt.Errorf("opening the outbox: %w", err)
	}
	return nil
}
