package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// A Reader walks over the records that wait, oldest first. It is used under the
// same lock as its Spool.
type Reader struct {
	spool   *Spool
	segment uint64   // the first sequence of the one that it is in
	file    *os.File // of that segment, nil when it is not open
	offset  int64
}

// Reader returns a reader at the oldest record that waits.
func (s *Spool) Reader() *Reader { return &Reader{spool: s} }

// First returns the record at which the reader stands, without passing it.
func (r *Reader) First() (rec Record, at Place, found bool, err error) {
	_, size, found, err := r.peek()
	if err != nil || !found {
		return Record{}, Place{}, false, err
	}
	kind, rec, _, err := readFrame(io.NewSectionReader(r.file, r.offset, size))
	if err == nil && kind != recordFrame {
		err = fmt.Errorf("%w: a segment begins within another", ErrDamaged)
	}
	return rec, r.place(), err == nil, err
}

// Next returns the record at which the reader stands, and passes it.
func (r *Reader) Next() (rec Record, at Place, found bool, err error) {
	rec, at, found, err = r.First()
	if found {
		r.offset += frameSize(len(rec.Data))
	}
	return rec, at, found, err
}

func (r *Reader) place() Place { return Place{r.segment, r.offset} }

// peek goes to the next record that waits and returns it without its data, and
// the size of its frame.
func (r *Reader) peek() (rec Record, size int64, found bool, err error) {
	for {
		seg := r.enter()
		if seg == nil {
			return Record{}, 0, false, nil
		}
		if r.file == nil {
			if r.file, err = OpenRegular(seg.path, os.O_RDONLY, 0); err != nil {
				return Record{}, 0, false, gone(err)
			}
		}
		head := make([]byte, frameHead)
		if _, err := r.file.ReadAt(head, r.offset); err != nil {
			return Record{}, 0, false, short(err)
		}
		kind, rec, length, err := decodeHead(head)
		if err != nil {
			return Record{}, 0, false, err
		}
		size := frameSize(length)
		if _, dead := r.spool.superseded[rec.Seq]; kind == recordFrame && rec.Seq >= r.spool.mark.done && !dead {
			return rec, size, true, nil
		}
		r.offset += size
	}
}

// enter returns the segment in which the next frame is: its own, or the next one
// there is. It is nil at the end of the log.
func (r *Reader) enter() *segment {
	for _, seg := range r.spool.segments {
		if seg.first < r.segment {
			continue
		}
		if seg.first > r.segment { // the reader's own has ended, or was deleted
			r.Close()
			r.segment, r.offset = seg.first, 0
		}
		if r.offset < seg.size {
			return seg
		}
	}
	return nil
}

// gone names the lack of a segment as damage.
func gone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// Close lets go of the reader's file; the reader can go on.
func (r *Reader) Close() {
	if r.file != nil {
		_ = r.file.Close()
		r.file = nil
	}
}
