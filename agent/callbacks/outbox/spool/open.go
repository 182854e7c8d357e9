package spool

import (
	"errors"
	"fmt"
	"os"
)

// Open opens the spool in dir, or makes one. Owner is the job's id. The error is
// ErrDamaged when records are missing or unreadable, and ErrOwner when the spool
// is another job's.
func Open(dir, owner string) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &Spool{dir: dir, owner: owner, index: index{superseded: map[uint64]uint64{}}}
	s.head = s.Reader()
	segments, err := listSegments(dir)
	if err != nil {
		return nil, err
	}
	if err := (opening{s}).openCursor(len(segments) > 0); err != nil {
		return nil, err
	}
	if err := (opening{s}).scan(segments); err != nil {
		return nil, errors.Join(err, s.cursor.file.Close())
	}
	if err := (opening{s}).openTail(); err != nil {
		return nil, errors.Join(err, s.cursor.file.Close())
	}
	s.reclaim()
	return s, nil
}

// An opening takes up what an earlier life left in the folder.
type opening struct{ *Spool }

// openCursor makes a cursor only where there is nothing that it could be about.
func (s opening) openCursor(used bool) (err error) {
	if info, statErr := os.Stat(s.cursorPath()); used && (statErr != nil || info.Size() == 0) {
		return fmt.Errorf("%w: it has no cursor", ErrDamaged)
	}
	s.cursor, s.mark, err = openCursor(s.cursorPath())
	return err
}

// scan reads every segment, and holds what it finds against the cursor.
func (s opening) scan(segments []*segment) error {
	was := s.mark
	counted := false // what the cursor speaks of
	count := func() error {
		counted = true
		if s.mark.waiting != was.waiting {
			return fmt.Errorf("%w: %d messages wait in it where %d were stored", ErrDamaged, s.mark.waiting, was.waiting)
		}
		return nil
	}
	s.mark.waiting = 0
	var damage error
	for _, seg := range segments {
		s.segments = append(s.segments, seg)
		err := seg.scan(s.owner, func(r Record) {
			if r.Seq > was.last && !counted {
				damage = count()
			}
			s.take(seg, r)
		})
		if err != nil {
			return err
		}
	}
	if !counted {
		damage = count()
	}
	return damage
}

func (s opening) openTail() error {
	if len(s.segments) == 0 {
		return s.begin(s.mark.last + 1)
	}
	f, room, err := s.newest().reopen()
	if err != nil {
		return err
	}
	s.tail.Store(&tail{file: f, room: room})
	return nil
}
