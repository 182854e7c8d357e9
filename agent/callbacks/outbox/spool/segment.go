package spool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	segmentSize = 1 << 20   // bytes after which a new segment is begun
	roomStep    = 256 << 10 // bytes of zeros that are written ahead
	suffix      = ".seg"
	unfinished  = ".tmp" // of a segment that is being made
)

var zeros [roomStep]byte

// A segment is one file of the log.
type segment struct {
	path  string
	first uint64 // no record in it has a lower sequence
	last  uint64 // its newest record, 0 when it has none
	live  int    // its records that wait
	size  int64  // of its frames: what follows are zeros
}

func segmentPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", first, suffix))
}

// createSegment makes a segment with zeros in its first blocks. It has its name
// only when it is whole and on disk.
func createSegment(dir, owner string, first uint64) (seg *segment, f *os.File, room int64, err error) {
	path := segmentPath(dir, first)
	head := encode(segmentFrame, Record{Seq: first, Data: []byte(owner)})
	f, err = OpenRegular(path+unfinished, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, nil, 0, err
	}
	_, err = f.Write(append(head, zeros[:roomStep-len(head)]...))
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = errors.Join(os.Rename(path+unfinished, path), SyncDir(dir))
	}
	if err != nil {
		return nil, nil, 0, errors.Join(err, f.Close(), ignoreMissing(os.Remove(path+unfinished)))
	}
	return &segment{path: path, first: first, size: int64(len(head))}, f, roomStep, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// listSegments returns the segments of a folder by name, in order, unread, and
// removes those that a kill kept from being made.
func listSegments(dir string) ([]*segment, error) {
	entries, err := os.ReadDir(dir) // sorted, and names have a fixed width
	if err != nil {
		return nil, err
	}
	var found []*segment
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasSuffix(e.Name(), suffix+unfinished) {
			if err := os.Remove(path); err != nil {
				return nil, err
			}
		}
		name, ok := strings.CutSuffix(e.Name(), suffix)
		first, err := strconv.ParseUint(name, 10, 64)
		if ok && err == nil && e.Type().IsRegular() {
			found = append(found, &segment{path: path, first: first})
		}
	}
	return found, nil
}

// scan reads a segment from its beginning and calls each with every record in
// it, up to the first that is not whole, where seg.size and seg.last end too.
// The error is the head's or the disk's.
func (seg *segment) scan(owner string, each func(Record)) error {
	f, err := OpenRegular(seg.path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	from := bufio.NewReaderSize(f, 64<<10)
	kind, head, size, err := readFrame(from)
	switch {
	case err != nil:
		return err
	case kind != segmentFrame || head.Seq != seg.first:
		return fmt.Errorf("%w: %s is no segment of it", ErrDamaged, filepath.Base(seg.path))
	case string(head.Data) != owner:
		return fmt.Errorf("%w: %q", ErrOwner, head.Data)
	}
	seg.size, seg.last = size, 0
	for {
		kind, r, size, err := readFrame(from)
		if errors.Is(err, ErrDamaged) {
			return nil
		}
		if err != nil {
			return err
		}
		if kind == segmentFrame || r.Seq < seg.first || r.Seq <= seg.last {
			return nil
		}
		seg.size, seg.last = seg.size+size, r.Seq
		if kind == recordFrame {
			each(r)
		}
	}
}

// reopen opens the segment for writing behind its last whole frame. What
// follows there, the beginning of a write that was cut off, is cut off too.
func (seg *segment) reopen() (f *os.File, room int64, err error) {
	if f, err = OpenRegular(seg.path, os.O_RDWR, 0); err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil {
		room = info.Size()
		var clean bool
		if clean, err = onlyZeros(io.NewSectionReader(f, seg.size, room-seg.size)); err == nil && !clean {
			room, err = seg.size, f.Truncate(seg.size)
		}
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, room, nil
}

func onlyZeros(r io.Reader) (bool, error) {
	b := make([]byte, 32<<10)
	for {
		n, err := r.Read(b)
		for _, c := range b[:n] {
			if c != 0 {
				return false, nil
			}
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// SyncDir makes the names in a folder durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
