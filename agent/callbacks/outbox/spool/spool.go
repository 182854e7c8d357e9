package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
)

// ErrOwner says that the spool belongs to another job.
var ErrOwner = errors.New("the store belongs to another job")

const cursorName = "cursor"

// A Spool is the log in one folder.
type Spool struct {
	index
	dir, owner string
	tail       atomic.Pointer[tail]
	unsure     atomic.Uint64 // the newest record in a file whose sync failed
	cursor     *cursor
	head       *Reader // at the oldest record that waits
}

// Place is where a record is.
type Place struct {
	segment uint64
	offset  int64
}

// Write adds a record, which is durable after the next Sync. Its sequence must
// be greater than every one before it. When it fails, nothing was written.
func (s *Spool) Write(r Record) (Place, error) {
	if r.Seq <= s.mark.last || len(r.Data) > MaxData {
		return Place{}, fmt.Errorf("storing record %d of %d bytes after record %d: out of order or too large", r.Seq, len(r.Data), s.mark.last)
	}
	frame := encode(recordFrame, r)
	if err := s.makeRoom(r.Seq, int64(len(frame))); err != nil {
		return Place{}, fmt.Errorf("beginning a segment: %w", err)
	}
	seg := s.newest()
	at := Place{seg.first, seg.size}
	if err := s.tail.Load().append(frame, seg.size); err != nil {
		return Place{}, fmt.Errorf("storing record %d: %w", r.Seq, err)
	}
	seg.size, seg.last, seg.live = seg.size+int64(len(frame)), r.Seq, seg.live+1
	s.mark.last = r.Seq
	s.mark.waiting++
	s.supersede(r.Supersedes, r.Seq)
	_ = s.note() // an older cursor is true of an older state
	return at, nil
}

// makeRoom begins a new segment when the newest one is full, or is not to be
// trusted any more.
func (s *Spool) makeRoom(first uint64, size int64) error {
	seg, old := s.newest(), s.tail.Load()
	broken := old.failed.Load()
	if seg.last == 0 || (!broken && seg.size+size <= segmentSize) {
		return nil
	}
	if err := old.sync(); err != nil && !broken {
		return err
	}
	if broken {
		s.unsure.Store(seg.last)
	}
	if err := s.begin(first); err != nil {
		return err
	}
	_ = old.close()
	s.reclaim()
	return nil
}

func (s *Spool) begin(first uint64) error {
	seg, f, room, err := createSegment(s.dir, s.owner, first)
	if err != nil {
		return err
	}
	s.segments = append(s.segments, seg)
	s.tail.Store(&tail{file: f, room: room})
	return nil
}

// Sync makes every record from a sequence on durable whose Write has returned. It
// may be called while others write and read.
func (s *Spool) Sync(from uint64) error {
	t := s.tail.Load()
	if from <= s.unsure.Load() { // read after the tail, set before it
		return fmt.Errorf("record %d: %w", from, errUnsure)
	}
	return t.sync()
}

// Done gives up every record up to the sequence.
func (s *Spool) Done(seq uint64) error {
	for {
		r, size, found, err := s.head.peek()
		if err != nil || !found || r.Seq > seq {
			s.mark.done = max(s.mark.done, seq+1)
			err = errors.Join(err, s.note())
			s.reclaim()
			return err
		}
		s.holding(r.Seq).live--
		s.mark.waiting--
		s.head.offset += size
	}
}

// Skip makes sure that the sequence is never used for a record.
func (s *Spool) Skip(seq uint64) error {
	s.mark.last = max(s.mark.last, seq)
	return s.note()
}

func (s *Spool) note() error {
	if err := s.cursor.write(s.mark); err != nil {
		return fmt.Errorf("writing the cursor of the outbox: %w", err)
	}
	return nil
}

// First returns the oldest record that waits.
func (s *Spool) First() (r Record, at Place, found bool, err error) {
	return s.head.First()
}

// Read returns the record at a place.
func (s *Spool) Read(at Place) (Record, error) {
	r := s.Reader()
	defer r.Close()
	r.segment, r.offset = at.segment, at.offset
	got, _, found, err := r.First()
	if err == nil && (!found || r.place() != at) {
		err = fmt.Errorf("%w: no record is where one was", ErrDamaged)
	}
	return got, err
}

// Close syncs and closes the files.
func (s *Spool) Close() error {
	s.head.Close()
	t := s.tail.Load()
	return errors.Join(t.sync(), t.close(), s.cursor.file.Close())
}

// Abandon closes the files of a spool that is damaged.
func (s *Spool) Abandon() {
	s.head.Close()
	_ = s.tail.Load().close()
	_ = s.cursor.file.Close()
}

func (s *Spool) cursorPath() string { return filepath.Join(s.dir, cursorName) }
