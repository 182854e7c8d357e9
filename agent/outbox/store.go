package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/vision-platform/trainer-agent/contract"
)

var (
	bucketQueue = []byte("queue") // sequence+chunk → part of a record
	bucketKept  = []byte("kept")  // kind → record
	bucketMeta  = []byte("meta")
	keyNext     = []byte("next")  // the next sequence
	keyCount    = []byte("count") // records in the queue, to notice a part of the tree that is gone
	keyJob      = []byte("job")
)

// lockTimeout bounds the wait for another agent's lock on the same store.
const lockTimeout = 2 * time.Second

// A store is the queue on disk. Every change is synced before it returns. It is
// not safe for use by several goroutines that write.
type store struct {
	db   *bolt.DB
	file *os.File // the database's own, to let go of it when bbolt cannot
}

// openStore opens or makes the database. Damage that bbolt finds is errDamaged.
// The freelist stays synced to disk, although that costs a page a commit: the
// rebuild on open checks pages in a goroutine of its own, whose panic on a
// damaged file nobody could recover.
func openStore(path, jobID string) (*store, error) {
	s, err := openDB(path, &bolt.Options{
		Timeout: lockTimeout, FreelistType: bolt.FreelistMapType, InitialMmapSize: 16 << 20,
	})
	if err == nil {
		s.db.AllocSize = 1 << 20
		err = guard(func() error { return s.makeBuckets(jobID) })
	}
	if err == nil {
		return s, syncDir(filepath.Dir(path))
	}
	s.abandon()
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, contract.Failf(contract.CodeConfigInvalid, "The outbox %s is in use by another agent.", path).
			WithHint("Give each job a WORKSPACE_DIR of its own.")
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil, fmt.Errorf("opening the outbox: %w", err)
}

// openReadOnly opens a store that may be damaged, to save what is left.
func openReadOnly(path string) (*store, error) {
	return openDB(path, &bolt.Options{Timeout: lockTimeout, ReadOnly: true})
}

// openDB returns a store even with an error, for its file to be let go of.
func openDB(path string, opts *bolt.Options) (*store, error) {
	s := &store{}
	opts.OpenFile = func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
		f, err = os.OpenFile(name, flag, mode)
		s.file = f
		return f, err
	}
	return s, guard(func() (err error) {
		s.db, err = bolt.Open(path, 0o600, opts)
		return err
	})
}

// makeBuckets completes a new store; one that is complete is not written to.
func (s *store) makeBuckets(jobID string) error {
	complete := false
	err := s.db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		complete = meta != nil && meta.Get(keyJob) != nil && tx.Bucket(bucketQueue) != nil && tx.Bucket(bucketKept) != nil
		return nil
	})
	if err != nil || complete {
		return err
	}
	return s.db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketQueue, bucketKept, bucketMeta} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(bucketMeta)
		if meta.Get(keyJob) != nil {
			return nil
		}
		return meta.Put(keyJob, []byte(jobID))
	})
}

// guard turns a panic of bbolt, and a fault of its memory map on a file that was
// cut short, into errDamaged.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return fn()
}

func (s *store) update(fn func(*bolt.Tx) error) error {
	return guard(func() error { return s.db.Update(fn) })
}

func (s *store) view(fn func(*bolt.Tx) error) error {
	return guard(func() error { return s.db.View(fn) })
}

// put stores a record and forgets others in one step, and remembers that the
// record's sequence is used.
func (s *store) put(r record, drop ...uint64) error {
	b, err := r.encode()
	if err != nil {
		return err
	}
	return s.update(func(tx *bolt.Tx) error {
		q := tx.Bucket(bucketQueue)
		q.FillPercent = 0.9 // keys only grow
		for _, seq := range drop {
			if err := deleteRecord(q, seq); err != nil {
				return err
			}
		}
		for i := 0; len(b) > 0; i++ {
			n := min(len(b), chunkSize)
			if err := q.Put(chunkKey(r.seq, i), b[:n]); err != nil {
				return err
			}
			b = b[n:]
		}
		meta := tx.Bucket(bucketMeta)
		if err := meta.Put(keyCount, number(count(meta)+1-uint64(len(drop)))); err != nil {
			return err
		}
		return meta.Put(keyNext, number(r.seq+1))
	})
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// count reads how many records the queue should have.
func count(meta *bolt.Bucket) uint64 {
	if v := meta.Get(keyCount); len(v) == 8 {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// removeThrough forgets every record up to the sequence: what is delivered, and
// what a full disk kept an earlier call from forgetting.
func (s *store) removeThrough(seq uint64) error {
	return s.update(func(tx *bolt.Tx) error {
		q, meta, removed := tx.Bucket(bucketQueue), tx.Bucket(bucketMeta), uint64(0)
		for {
			k, _ := q.Cursor().First()
			if k == nil {
				break
			}
			at, chunk, err := splitKey(k)
			if err != nil {
				return err
			}
			if at > seq {
				break
			}
			if chunk == 0 {
				removed++
			}
			if err := q.Delete(k); err != nil {
				return err
			}
		}
		return meta.Put(keyCount, number(count(meta)-removed))
	})
}

func deleteRecord(q *bolt.Bucket, seq uint64) error {
	for i := 0; ; i++ {
		k := chunkKey(seq, i)
		if q.Get(k) == nil {
			return nil
		}
		if err := q.Delete(k); err != nil {
			return err
		}
	}
}

// first returns the oldest record whose sequence is at least from.
func (s *store) first(from uint64) (r record, found bool, err error) {
	err = s.view(func(tx *bolt.Tx) (err error) {
		r, found, err = recordAt(tx.Bucket(bucketQueue).Cursor(), from)
		return err
	})
	return r, found, err
}

// recordAt reads the first record at or after the sequence.
func recordAt(c *bolt.Cursor, from uint64) (record, bool, error) {
	k, v := c.Seek(chunkKey(from, 0))
	if k == nil {
		return record{}, false, nil
	}
	seq, _, err := splitKey(k)
	if err != nil {
		return record{}, false, err
	}
	if seq < from {
		return record{}, false, fmt.Errorf("%w: message %d stands after %d", errDamaged, seq, from)
	}
	var b []byte
	for want := 0; k != nil; k, v = c.Next() {
		at, chunk, err := splitKey(k)
		if err != nil {
			return record{}, false, err
		}
		if at != seq {
			break
		}
		if chunk != want || len(b) > 2*MaxMessageBytes {
			return record{seq: seq}, true, fmt.Errorf("%w: message %d lacks part %d", errDamaged, seq, want)
		}
		b, want = append(b, v...), want+1
	}
	r, err := decodeRecord(seq, b)
	r.seq = seq
	return r, true, err
}

// last returns the newest sequence in the queue, 0 when there is none.
func (s *store) last() (seq uint64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		k, _ := tx.Bucket(bucketQueue).Cursor().Last()
		if k == nil {
			return nil
		}
		seq, _, err = splitKey(k)
		return err
	})
	return seq, err
}

// A storeMeta is what the store says of itself.
type storeMeta struct {
	job   string
	next  uint64 // the sequence after the newest that was ever stored, 0 if none was
	count uint64 // records in the queue
}

func (s *store) meta() (m storeMeta, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		m.job, m.count = string(meta.Get(keyJob)), count(meta)
		if v := meta.Get(keyNext); len(v) == 8 {
			m.next = binary.BigEndian.Uint64(v)
		}
		return nil
	})
	return m, err
}

// close gives the file back.
func (s *store) close() {
	_ = guard(s.db.Close)
}

// abandon lets go of a damaged store's file and its lock without asking bbolt,
// which after a panic may wait for ever on a lock of its own. Its memory map
// stays until the agent ends.
func (s *store) abandon() {
	if s.file != nil {
		unlock(s.file) // closing is not enough: the map keeps the file open
		_ = s.file.Close()
	}
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
