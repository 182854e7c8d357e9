package spool

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// A mark is the state of the log at one moment.
type mark struct {
	done    uint64 // every sequence below is done
	last    uint64 // the newest sequence that was written, or is not to be used again
	waiting uint64 // records that wait, up to last
}

var cursorMagic = [8]byte{'t', 'a', 'c', 'u', 'r', 's', 'o', 1}

const cursorSize = 8 + 3*8 + 4 // within one sector, so a loss of power leaves the old or the new

// A cursor is the file that holds the mark.
type cursor struct{ file *os.File }

// openCursor opens or makes the file. A new one, with a zero mark, is synced.
func openCursor(path string) (*cursor, mark, error) {
	file, err := OpenRegular(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, mark{}, err
	}
	c := &cursor{file}
	m, err := c.read()
	if err != nil {
		_ = file.Close()
		return nil, mark{}, err
	}
	return c, m, nil
}

func (c *cursor) read() (mark, error) {
	b := make([]byte, cursorSize)
	n, err := c.file.ReadAt(b, 0)
	switch {
	case n == 0 && err == io.EOF:
		return mark{}, c.create()
	case n < cursorSize && err != io.EOF:
		return mark{}, err
	}
	sum := binary.BigEndian.Uint32(b[cursorSize-4:])
	if [8]byte(b) != cursorMagic || crc32.Checksum(b[:cursorSize-4], castagnoli) != sum {
		return mark{}, fmt.Errorf("%w: its cursor is unreadable", ErrDamaged)
	}
	return mark{binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b[24:])}, nil
}

func (c *cursor) create() error {
	if err := c.write(mark{}); err != nil {
		return err
	}
	return c.file.Sync()
}

// write puts the mark into the page cache.
func (c *cursor) write(m mark) error {
	b := make([]byte, 0, cursorSize)
	b = append(b, cursorMagic[:]...)
	b = binary.BigEndian.AppendUint64(b, m.done)
	b = binary.BigEndian.AppendUint64(b, m.last)
	b = binary.BigEndian.AppendUint64(b, m.waiting)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	_, err := c.file.WriteAt(b, 0)
	return err
}
