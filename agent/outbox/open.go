package outbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

const (
	storeName    = "outbox.db"
	slotName     = "final.slot"
	rejectedName = "rejected.jsonl"
)

// Open opens the outbox in dir, making it when there is none, and takes up what
// an earlier life of the agent left there. A damaged store, or one of another
// job, is set aside and reported in Stats.SetAside; what can be read of a
// damaged one is carried over. The error is a *contract.Failure when another
// agent holds the store.
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
	if err := o.openStore(); err != nil {
		return nil, fullAtStart(dir, err)
	}
	var damaged bool
	if o.final, damaged, err = openFinalSlot(filepath.Join(dir, slotName)); err != nil {
		o.store.close()
		return nil, fullAtStart(dir, err)
	}
	if damaged {
		o.reportDamage(filepath.Join(dir, slotName), "the final message of an earlier life is unreadable", 0)
	}
	if o.final.state != finalNone {
		o.next = max(o.next, o.final.rec.seq+1)
	}
	o.rejected, err = openRejected(filepath.Join(dir, rejectedName))
	if err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
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
	s, err := openStore(path, o.opts.JobID)
	if err == nil {
		if err = o.take(s); err != nil {
			s.abandon()
		}
	}
	if errors.Is(err, errDamaged) || errors.Is(err, errOtherJob) {
		return o.replaceStore(err)
	}
	return err
}

var errOtherJob = errors.New("the store belongs to another job")

// take makes s the store and counts it. It fails if any record is damaged.
func (o *Outbox) take(s *store) error {
	meta, err := s.meta()
	if err != nil {
		return err
	}
	if meta.job != o.opts.JobID {
		return fmt.Errorf("%w: %q", errOtherJob, meta.job)
	}
	depth, bytes, slots := 0, int64(0), map[string]uint64{}
	err = s.scan(func(r record) error {
		depth, bytes = depth+1, bytes+int64(len(r.body))
		if r.slot != "" {
			slots[r.slot] = r.seq
		}
		if r.seq >= meta.next {
			return fmt.Errorf("%w: message %d is newer than the newest, %d", errDamaged, r.seq, meta.next-1)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if uint64(depth) != meta.count {
		return fmt.Errorf("%w: it has %d messages where %d were stored", errDamaged, depth, meta.count)
	}
	if meta.next == 0 { // a new store: see the package comment on keys
		meta.next = uint64(o.opts.Now().UnixMilli())
	}
	o.store, o.depth, o.bytes, o.slots = s, depth, bytes, slots
	o.next = max(o.next, meta.next)
	return nil
}

// replaceStore sets the store's file aside, which nobody may have open any more,
// and goes on with a new one that has every record of the old one which still
// passes its checksum. Each step is such that a kill between any two of them
// leaves a store that opens.
func (o *Outbox) replaceStore(cause error) error {
	path := filepath.Join(o.dir, storeName)
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replacing the outbox store: %w", err)
	}
	s, err := openStore(fresh, o.opts.JobID)
	if err != nil {
		return fmt.Errorf("replacing the outbox store: %w", err)
	}
	saved := 0
	if errors.Is(cause, errDamaged) {
		saved = salvage(path, s)
	}
	aside, err := setAside(path, o.opts.Now().UTC().Format("20060102T150405"))
	if err != nil {
		s.close()
		return fmt.Errorf("setting the outbox store aside: %w", err)
	}
	if err := errors.Join(os.Rename(fresh, path), syncDir(o.dir)); err != nil {
		s.close()
		return fmt.Errorf("replacing the outbox store: %w", err)
	}
	if err := o.take(s); err != nil {
		s.close()
		return err
	}
	// What the damaged store had counted may be lost, and no sequence may repeat.
	o.next = max(o.next, uint64(o.opts.Now().UnixMilli()))
	o.reportDamage(aside, cause.Error(), saved)
	return nil
}

// replaceDamaged replaces the store that is open.
func (o *Outbox) replaceDamaged(cause error) error {
	o.store.abandon()
	return o.replaceStore(cause)
}

// setAside renames path to path.{stamp}.damaged, or the next such name that is free.
func setAside(path, stamp string) (string, error) {
	for i := 0; ; i++ {
		aside := path + "." + stamp + strings.Repeat("+", i) + ".damaged"
		if _, err := os.Lstat(aside); err == nil {
			continue
		}
		return aside, os.Rename(path, aside)
	}
}

// finishSetAside completes a replaceStore that a kill interrupted: without a
// store the new one is complete, beside a store it may not be.
func finishSetAside(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(path+".new", path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("completing the outbox store: %w", err)
		}
	}
	return nil
}

// salvage copies every readable record of the file and returns how many there were.
func salvage(path string, to *store) (n int) {
	from, err := openReadOnly(path)
	defer from.abandon()
	if err != nil {
		return 0
	}
	for seq := uint64(0); ; {
		r, found, err := from.first(seq)
		if found && err == nil {
			if to.put(r) == nil {
				n++
			}
			seq = r.seq + 1
			continue
		}
		if !found || r.seq == 0 {
			return n // the end, or the tree itself is broken here
		}
		seq = r.seq + 1 // one record is broken
	}
}

// scan calls fn with every record in order. The damage of one record ends it.
func (s *store) scan(fn func(record) error) error {
	for seq := uint64(0); ; {
		r, found, err := s.first(seq)
		if err != nil || !found {
			return err
		}
		if err := fn(r); err != nil {
			return err
		}
		seq = r.seq + 1
	}
}
