package spool

import (
	"errors"
	"io"
	"os"
	"slices"
)

// reclaim deletes the segments of which no record waits. Before one goes, what
// superseded its records is on disk, and the cursor, or an older one would miss
// records in it.
func (s *Spool) reclaim() {
	newest := s.newest()
	dead := func(seg *segment) bool { return seg != newest && seg.live == 0 }
	if !slices.ContainsFunc(s.segments, dead) {
		return
	}
	if t := s.tail.Load(); t.failed.Load() || t.sync() != nil || s.note() != nil || s.cursor.file.Sync() != nil {
		return
	}
	for i := 0; i < len(s.segments); {
		if dead(s.segments[i]) && s.release(s.segments[i]) == nil {
			s.segments = slices.Delete(s.segments, i, i+1)
			continue
		}
		i++
	}
}

// release deletes a segment. Records elsewhere that are superseded by one in it
// are marked as dead, since nothing says so any more.
func (s *Spool) release(gone *segment) error {
	orphans := map[*segment]map[uint64]bool{}
	for seq, by := range s.superseded {
		if seg := s.holding(seq); seg != gone && by >= gone.first && by <= gone.last {
			if orphans[seg] == nil {
				orphans[seg] = map[uint64]bool{}
			}
			orphans[seg][seq] = true
		}
	}
	for seg, seqs := range orphans {
		if err := seg.bury(seqs); err != nil {
			return err
		}
		for seq := range seqs {
			delete(s.superseded, seq)
		}
	}
	if err := os.Remove(gone.path); err != nil {
		return err
	}
	for seq := range s.superseded {
		if seq >= gone.first && seq <= gone.last {
			delete(s.superseded, seq)
		}
	}
	return nil
}

// bury marks records of the segment as dead, on disk.
func (seg *segment) bury(seqs map[uint64]bool) error {
	f, err := OpenRegular(seg.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	head := make([]byte, frameHead)
	for at := int64(0); at < seg.size && err == nil; {
		if _, err = f.ReadAt(head, at); err != nil && !errors.Is(err, io.EOF) {
			break
		}
		_, r, length, headErr := decodeHead(head)
		if err = headErr; err == nil && seqs[r.Seq] {
			_, err = f.WriteAt(deadFrame[:], at)
		}
		at += frameSize(length)
	}
	return errors.Join(err, syncData(f), f.Close())
}
