package outbox

import (
	bolt "go.etcd.io/bbolt"

	"github.com/vision-platform/trainer-agent/contract"
)

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

// forget removes every kept record.
func (s *store) forget() error {
	return s.update(func(tx *bolt.Tx) error {
		if err := tx.DeleteBucket(bucketKept); err != nil {
			return err
		}
		_, err := tx.CreateBucket(bucketKept)
		return err
	})
}
