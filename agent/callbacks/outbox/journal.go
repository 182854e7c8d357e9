package outbox

import (
	"sync"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
)

// A journal has the waiting messages on disk, authenticated, and makes them durable
// in batches. All but commit is called with the queue's lock held.
type journal struct {
	folder *folder
	seal   *seal

	syncing sync.Mutex // held through a sync of the store; taken before the queue's lock
	store   *spool.Spool
	batch   *batch // what the next sync makes durable
	durable uint64 // every sequence up to it is on disk
}

// A batch is what one sync makes durable: all that was written while the sync
// before was under way. Callers that come at once, such as the ranks of a
// distributed training, share one.
type batch struct {
	first  uint64 // the oldest sequence in it, guarded by the queue's lock
	synced bool   // guarded by journal.syncing, like err
	err    error
}

// write adds a record that takes the place of another one, 0 for none. It is
// durable when the batch is that comes back.
func (j *journal) write(r record, instead uint64) (spool.Place, *batch, error) {
	raw, err := j.seal.encode(r, asQueued)
	if err != nil {
		return spool.Place{}, nil, err
	}
	raw.Supersedes = instead
	at, err := j.store.Write(raw)
	if err != nil {
		return spool.Place{}, nil, refusal(err)
	}
	if j.batch.first == 0 {
		j.batch.first = r.seq
	}
	return at, j.batch, nil
}

func (j *journal) read(at spool.Place) (record, error) {
	raw, err := j.store.Read(at)
	if err != nil {
		return record{}, err
	}
	return j.seal.decode(raw, asQueued)
}

// behind returns the nth durable message that waits, 0 for the oldest.
func (j *journal) behind(n int) (record, bool, error) {
	if n == 0 {
		raw, _, found, err := j.store.First()
		if err != nil || !found || raw.Seq > j.durable {
			return record{}, false, err
		}
		r, err := j.seal.decode(raw, asQueued)
		return r, err == nil, err
	}
	reader := j.store.Reader()
	defer reader.Close()
	for {
		raw, _, found, err := reader.Next()
		if err != nil || !found || raw.Seq > j.durable {
			return record{}, false, err
		}
		if n--; n < 0 {
			r, err := j.seal.decode(raw, asQueued)
			return r, err == nil, err
		}
	}
}

// commit returns when the batch is on disk. The queue's lock must not be held:
// nobody but other commits waits for a disk.
func (j *journal) commit(b *batch, lock sync.Locker) error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if b.synced {
		return b.err
	}
	lock.Lock()
	j.batch = &batch{}
	store, first, last := j.store, b.first, j.store.Last()
	lock.Unlock()
	b.synced, b.err = true, refusal(store.Sync(first))
	lock.Lock()
	defer lock.Unlock()
	// What a failed sync leaves unsaid is delivered all the same: it may have
	// taken the place of a message that was accepted.
	j.durable = max(j.durable, last)
	return b.err
}
