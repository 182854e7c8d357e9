package outbox

import (
	"errors"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/contract"
)

// maxSuperseded bounds the superseded messages whose place in the spool is not
// yet given back; above it nothing is merged.
const maxSuperseded = 1 << 16

// entry is what is remembered of a message that waits.
type entry struct {
	seq   uint64
	place spool.Place
	size  int64 // of its body
	kind  contract.Kind
	slot  string
}

func entryOf(r record, at spool.Place) entry {
	return entry{r.seq, at, int64(len(r.body)), r.kind, r.slot}
}

// put writes a record under the next sequence, merging it with a waiting one
// where the law says so. It is durable when the batch is that it returns.
func (o *Outbox) put(r record) (uint64, *batch, error) {
	r.seq = o.next
	old, merged := o.merge(&r)
	raw, err := r.encode()
	if err != nil {
		return 0, nil, err
	}
	raw.Supersedes = old.seq
	at, err := o.store.Write(raw)
	if err != nil {
		return 0, nil, refusal(err)
	}
	o.next = r.seq + 1
	o.bytes += int64(len(r.body)) - old.size
	o.counts.accepted++
	if merged {
		o.counts.merged++
	}
	o.newest = entryOf(r, at)
	if r.slot != "" {
		o.slots[r.slot] = o.newest
	}
	if o.batch.first == 0 {
		o.batch.first = r.seq
	}
	return r.seq, o.batch, nil
}

// oldest returns the first message that waits and is durable.
func (o *Outbox) oldest() (record, bool, error) {
	raw, _, found, err := o.store.First()
	if err != nil || !found || raw.Seq > o.durable {
		return record{}, false, err
	}
	r, err := decodeRecord(raw)
	return r, err == nil, err
}

// drop takes a message out of the queue that was delivered or put aside.
func (o *Outbox) drop(r record) {
	before := o.store.Waiting()
	if err := o.store.Done(r.seq); err != nil {
		o.log.Warn("a delivered message could not be removed from the outbox", "key", o.key(r.seq), "error", err)
	}
	if o.store.Waiting() < before { // a store that was replaced may have come without it
		o.bytes -= int64(len(r.body))
	}
	o.done = r.seq + 1
	if o.slots[r.slot].seq == r.seq {
		delete(o.slots, r.slot)
	}
}

// take makes s the store and counts what waits in it. It fails if any message
// is unreadable.
func (o *Outbox) take(s *spool.Spool) error {
	bytes, slots, newest := int64(0), map[string]entry{}, entry{}
	reader := s.Reader()
	defer reader.Close()
	for {
		raw, at, found, err := reader.Next()
		if err != nil {
			return err
		}
		if !found {
			break
		}
		r, err := decodeRecord(raw)
		if err != nil {
			return err
		}
		newest = entryOf(r, at)
		bytes += newest.size
		if r.slot != "" {
			slots[r.slot] = newest
		}
	}
	next := s.Last() + 1
	if next == 1 { // a new store: see the package comment on keys
		next = uint64(o.opts.Now().UnixMilli())
	}
	o.store, o.bytes, o.slots, o.newest = s, bytes, slots, newest
	o.next, o.durable = max(o.next, next), s.Last()
	return nil
}

// A batch is what one sync makes durable: all that was written while the sync
// before was under way. Callers that come at once, such as the ranks of a
// distributed training, share one.
type batch struct {
	first  uint64 // the oldest sequence in it, guarded by Outbox.mu
	synced bool   // guarded by Outbox.syncing, like err
	err    error
}

// commit returns when the batch is on disk. o.mu must not be held: nobody but
// other commits waits for a disk.
func (o *Outbox) commit(b *batch) error {
	o.syncing.Lock()
	defer o.syncing.Unlock()
	if b.synced {
		return b.err
	}
	o.mu.Lock()
	o.batch = &batch{}
	store, first, last := o.store, b.first, o.store.Last()
	o.mu.Unlock()
	b.synced, b.err = true, refusal(store.Sync(first))
	o.mu.Lock()
	defer o.mu.Unlock()
	// What a failed sync leaves unsaid is delivered all the same: it may have
	// taken the place of a message that was accepted.
	o.durable = max(o.durable, last)
	o.wake()
	return b.err
}

// settleDamage replaces a damaged store and repeats what found the damage.
func (o *Outbox) settleDamage(find func() (record, bool, error)) (record, bool, error) {
	r, found, err := find()
	if !errors.Is(err, spool.ErrDamaged) {
		return r, found, err
	}
	o.store.Abandon()
	if err := o.replaceStore(err); err != nil {
		return record{}, false, err
	}
	return find()
}
