package ziptree

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/vision-platform/trainer-agent/converters/text"
)

const (
	centralSize = 46
	localSize   = 30

	methodStore   = 0
	methodDeflate = 8

	// maxEntries bounds the directory itself, junk and folders included.
	maxEntries = 20_000_000
)

// entry is one file: 40 bytes, because there may be half a million.
type entry struct {
	offset  int64 // of the local header in the source
	packed  int64
	size    int64
	crc     uint32
	dir     int32 // number of its folder in dirs, the root being 0
	name    ref
	nameLen uint16
	deflate bool
}

// Directory is the list of files in an archive, checked and in the order in
// which they lie.
type Directory struct {
	Bytes   int64        // unpacked
	Packed  int64        // to be fetched
	Folders int64        // that the files lie in, parents included
	Junk    int          // entries left out
	Names   text.Reading // of names that are not UTF-8

	src     Source
	entries []entry
	names   arena
	dirs    []string // paths of folders, parents before children where both occur
	start   int64    // of the central directory
}

// Files is the number of files.
func (d *Directory) Files() int { return len(d.entries) }

// Dirs lists the folders that hold files, in the numbering that Each uses: dir
// i+1 is Dirs()[i], dir 0 is the root.
func (d *Directory) Dirs() []string { return d.dirs }

func (d *Directory) path(e *entry) string { return string(d.names.get(e.name, e.nameLen)) }

func (d *Directory) base(e *entry) string {
	name := d.names.get(e.name, e.nameLen)
	return string(name[bytes.LastIndexByte(name, '/')+1:])
}

// Each calls f for every file: its path, size and CRC-32.
func (d *Directory) Each(f func(path string, size int64, crc uint32) error) error {
	for i := range d.entries {
		e := &d.entries[i]
		if err := f(d.path(e), e.size, e.crc); err != nil {
			return err
		}
	}
	return nil
}

// ReadDirectory reads and checks the central directory. Nothing is written yet.
func ReadDirectory(ctx context.Context, src Source, limits Limits) (*Directory, error) {
	e, err := readEnd(ctx, src)
	if err != nil {
		return nil, err
	}
	if e.count > maxEntries || (limits.MaxFiles > 0 && e.count/4 > uint64(limits.MaxFiles)+250) {
		return nil, tooLarge(src, "has %d entries; the limit is %d files", e.count, limits.MaxFiles).
			WithHint("Raise AGENT_MAX_DATASET_FILES if that is meant.")
	}
	d := &Directory{src: src, start: e.start()}
	page, err := d.pass(ctx, e, nil)
	if err == nil && page != nil {
		// Some names need a code page, and which one all of them decide together.
		*d = Directory{src: src, start: e.start(), Names: text.Reading{Page: page.Name}}
		_, err = d.pass(ctx, e, page)
	}
	if err != nil {
		return nil, err
	}
	if err := d.check(limits); err != nil {
		return nil, err
	}
	return d, nil
}

// pass reads the directory once. Without a code page it returns the one that is
// needed, or nil when every name is readable as it is.
func (d *Directory) pass(ctx context.Context, e end, page *text.Page) (*text.Page, error) {
	if e.size == 0 {
		return nil, nil
	}
	r, err := d.src.Range(ctx, d.start, int64(e.size))
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	p := &parser{
		d: d, r: bufio.NewReaderSize(r, 64<<10), base: e.base, page: page,
		dirIDs: map[string]int32{"": 0}, buf: make([]byte, 3<<16),
	}
	d.entries = make([]entry, 0, e.count)
	for range e.count {
		if err := p.next(); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, invalid(d.src, "ends inside its directory").WithHint("Upload it again.")
			}
			return nil, err
		}
	}
	if p.unreadable > 0 && page == nil {
		return p.guess.Page(), nil
	}
	return nil, nil
}
