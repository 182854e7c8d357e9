package spool

import "slices"

// An index is what is known of the records in the segments, without reading them.
type index struct {
	segments   []*segment // in order; the last one is written to
	mark       mark
	superseded map[uint64]uint64 // of the records in the segments: by which
}

func (x *index) newest() *segment { return x.segments[len(x.segments)-1] }

// supersede takes a waiting record out of the queue.
func (x *index) supersede(seq, by uint64) {
	seg := x.holding(seq)
	if _, twice := x.superseded[seq]; seq < x.mark.done || seg == nil || twice {
		return
	}
	x.superseded[seq] = by
	seg.live--
	x.mark.waiting--
}

// holding is the segment that has the sequence.
func (x *index) holding(seq uint64) *segment {
	for _, seg := range slices.Backward(x.segments) {
		if seg.first <= seq {
			if seq <= seg.last {
				return seg
			}
			return nil
		}
	}
	return nil
}

// Last is the newest sequence that was ever used, 0 when none was.
func (x *index) Last() uint64 { return x.mark.last }

// Waiting counts the records that wait.
func (x *index) Waiting() int { return int(x.mark.waiting) }

// Superseded counts the records that do not wait but still take space.
func (x *index) Superseded() int { return len(x.superseded) }

// Size is what the log takes on disk, in bytes.
func (x *index) Size() (bytes int64) {
	for _, seg := range x.segments {
		bytes += seg.size
	}
	return bytes
}

// take counts a record that is there.
func (x *index) take(seg *segment, r Record) {
	x.mark.last = max(x.mark.last, r.Seq)
	if r.Seq >= x.mark.done {
		seg.live++
		x.mark.waiting++
	}
	if old := x.holding(r.Supersedes); old != nil && r.Supersedes >= x.mark.done {
		x.superseded[r.Supersedes] = r.Seq
		old.live--
		x.mark.waiting--
	}
}
