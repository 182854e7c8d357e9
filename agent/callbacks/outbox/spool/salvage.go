package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxSegment bounds what Salvage reads of one file: a full segment and the
// largest record.
const maxSegment = segmentSize + MaxData + 2*roomStep

// Salvage calls each with every whole record of a damaged spool that may still
// wait, in order, and changes none of them. Records whose segment is another owner's
// are left out; those that were done are too, as far as the cursor tells.
func Salvage(dir, owner string, each func(Record)) error {
	segments, err := listSegments(dir)
	if err != nil {
		return err
	}
	var was mark
	if file, err := OpenRegular(filepath.Join(dir, cursorName), os.O_RDONLY, 0); err == nil {
		was, _ = (&cursor{file}).read() // a zero mark tells of nothing done
		_ = file.Close()
	}
	superseded := map[uint64]bool{}
	newest := uint64(0)
	for _, collect := range []bool{true, false} {
		for _, seg := range segments {
			err = errors.Join(err, seg.salvage(owner, func(r Record) {
				switch {
				case collect:
					superseded[r.Supersedes] = true
				case r.Seq >= was.done && r.Seq > newest && !superseded[r.Seq]:
					newest = r.Seq
					each(r)
				}
			}))
		}
	}
	return err
}

// salvage looks for frames wherever one can begin.
func (seg *segment) salvage(owner string, each func(Record)) error {
	f, err := OpenRegular(seg.path, os.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("salvaging: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSegment))
	for at := 0; at+frameHead <= len(b); {
		kind, r, size, err := decode(b[at:])
		switch {
		case err != nil:
			at = nextFrame(b, at+frameAlign)
			continue
		case kind == segmentFrame && string(r.Data) != owner:
			return nil
		case kind == recordFrame:
			each(r)
		}
		at += int(size)
	}
	return err
}

// nextFrame is the next offset where a frame's magic is, at or after from.
func nextFrame(b []byte, from int) int {
	at := from
	for ; at+frameHead <= len(b); at += frameAlign {
		if kind := frameKind(b[at:]); kind == recordFrame || kind == deadFrame {
			break
		}
	}
	return at
}
