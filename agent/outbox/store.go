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
	keyNext     = []byte("next") // the next sequence
	keyJob      = []byte("job")
)

// lockTimeout bounds the wait for another agent's lock on the same store.
const lockTimeout = 2 * time.Second

// A store is the queue on disk. Every change is synced before it returns. It is
// not safe for use by several goroutines that write.
type store struct {
	db *bolt.DB
}

// openStore opens or makes the database. Damage that bbolt finds is errDamaged.
// The freelist stays synced to disk, although that costs a page a commit: the
// rebuild on open checks pages in a goroutine of its own, whose panic on a
// damaged file nobody could recover.
func openStore(path, jobID string) (*store, error) {
	s := &store{}
	err := guard(func() (err error) {
		s.db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout: lockTimeout, FreelistType: bolt.FreelistMapType, InitialMmapSize: 16 << 20,
		})
		if err != nil {
			return err
		}
		s.db.AllocSize = 1 << 20
		return s.db.Update(func(tx *bolt.Tx) error { return makeBuckets(tx, jobID) })
	})
	if err == nil {
		return s, syncDir(filepath.Dir(path))
	}
	s.close()
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, contract.Failf(contract.CodeConfigInvalid, "The outbox %s is in use by another agent.", path).
			WithHint("Give each job a WORKSPACE_DIR of its own.")
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil, fmt.Errorf("opening the outbox: %w", err)
}

func makeBuckets(tx *bolt.Tx, jobID string) error {
	for _, name := range [][]byte{bucketQueue, bucketKept, bucketMeta} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	if meta := tx.Bucket(bucketMeta); meta.Get(keyJob) == nil {
		return meta.Put(keyJob, []byte(jobID))
	}
	return nil
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
		return tx.Bucket(bucketMeta).Put(keyNext, binary.BigEndian.AppendUint64(nil, r.seq+1))
	})
}

// removeThrough forgets every record up to the sequence: what is delivered, and
// what a full disk kept an earlier call from forgetting.
func (s *store) removeThrough(seq uint64) error {
	return s.update(func(tx *bolt.Tx) error {
		q := tx.Bucket(bucketQueue)
		for {
			k, _ := q.Cursor().First()
			if k == nil {
				return nil
			}
			at, _, err := splitKey(k)
			if err != nil || at > seq {
				return err
			}
			if err := q.Delete(k); err != nil {
				return err
			}
		}
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

// next returns the sequence after the newest that was ever stored, 0 if none was.
func (s *store) next() (seq uint64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		if v := tx.Bucket(bucketMeta).Get(keyNext); len(v) == 8 {
			seq = binary.BigEndian.Uint64(v)
		}
		return nil
	})
	return seq, err
}

func (s *store) job() (id string, err error) {
	err = s.view(func(tx *bolt.Tx) error { id = string(tx.Bucket(bucketMeta).Get(keyJob)); return nil })
	return id, err
}

// keep stores a record beside the queue, one a kind.
func (s *store) keep(r record) error {
	b, err := r.encode()
	if err != nil {
		return err
	}
	return s.update(func(tx *bolt.Tx) error { return tx.Bucket(bucketKept).Put([]byte(r.kind), b) })
}

func (s *store) kept(kind contract.Kind) (r record, found bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketKept).Get([]byte(kind))
		if b == nil {
			return nil
		}
		found = true
		r, err = decodeRecord(0, append([]byte(nil), b...))
		return err
	})
	return r, found, err
}

// close gives the file back. A database that panicked may hold its own locks
// for ever, so such a one is only abandoned: see damaged.
func (s *store) close() {
	if s.db != nil {
		_ = guard(s.db.Close)
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
