package ziptree

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
)

const (
	endSize     = 22
	end64Size   = 56
	locatorSize = 20
	maxComment  = 1<<16 - 1
	// tailSize holds the end record, the longest comment and the zip64 records.
	tailSize = endSize + maxComment + locatorSize + end64Size
)

var (
	endSig     = []byte("PK\x05\x06")
	end64Sig   = []byte("PK\x06\x06")
	locatorSig = []byte("PK\x06\x07")
	fileSig    = []byte("PK\x03\x04")
	centralSig = []byte("PK\x01\x02")
)

// end is the end of central directory record (4.3.16), zip64 (4.3.14) applied.
type end struct {
	count  uint64 // entries
	size   uint64 // bytes of the central directory
	offset uint64 // of the central directory in the archive's own counting
	base   int64  // bytes before the archive's own byte 0 (a self-extractor's stub)
}

// start is where the central directory begins in the source.
func (e end) start() int64 { return e.base + int64(e.offset) }

func readEnd(ctx context.Context, src Source) (end, error) {
	length := min(src.Size(), tailSize)
	if length < endSize {
		return end{}, invalid(src, "is no zip: it has %d bytes", src.Size()).WithHint("Upload the dataset again.")
	}
	from := src.Size() - length
	tail, err := readRange(ctx, src, from, length)
	if err != nil {
		return end{}, err
	}
	// The record nearest to the end whose comment reaches exactly there wins: a
	// comment may hold anything, another record included. Only when there is none
	// may bytes follow, as some tools pad their archives.
	misfit := false
	for _, exact := range []bool{true, false} {
		for at := len(tail) - endSize; at >= 0; at-- {
			if !bytes.HasPrefix(tail[at:], endSig) {
				continue
			}
			rest := len(tail) - at - endSize - int(binary.LittleEndian.Uint16(tail[at+20:]))
			if rest < 0 || (exact && rest != 0) {
				continue
			}
			if e, ok, err := parseEnd(ctx, src, tail, from, at); err != nil || ok {
				return e, err
			}
			misfit = true
		}
	}
	if misfit {
		return end{}, invalid(src, "has an end record that does not fit the rest: bytes are missing or damaged").
			WithHint("Make and upload the archive again.")
	}
	return end{}, notZip(ctx, src)
}

// parseEnd reads the record at tail[at:] and reports whether it makes sense.
func parseEnd(ctx context.Context, src Source, tail []byte, from int64, at int) (end, bool, error) {
	le := binary.LittleEndian
	b := tail[at:]
	e := end{count: uint64(le.Uint16(b[10:])), size: uint64(le.Uint32(b[12:])), offset: uint64(le.Uint32(b[16:]))}
	disk, cdDisk := le.Uint16(b[4:]), le.Uint16(b[6:])
	recordAt := from + int64(at)
	if e64, pos, ok, err := readEnd64(ctx, src, tail, from, at); err != nil {
		return end{}, false, err
	} else if ok {
		e, recordAt, disk, cdDisk = e64, pos, 0, 0
	}
	if disk != 0 || cdDisk != 0 {
		if disk == 0xffff {
			return end{}, false, nil
		}
		return end{}, false, invalid(src, "is one part of a split archive").WithHint("Join the parts, or zip without splitting.")
	}
	total := e.size + e.offset
	if e.size > uint64(recordAt) || e.offset > uint64(recordAt) || total > uint64(recordAt) || e.count > e.size/centralSize {
		return end{}, false, nil
	}
	e.base = recordAt - int64(total)
	// What stands where the directory should be tells a record from bytes of a
	// comment that look like one. Further in front it is not worth a request: the
	// reader of the directory will see.
	if at := e.start() - from; e.count > 0 && at >= 0 && !bytes.HasPrefix(tail[at:], centralSig) {
		return end{}, false, nil
	}
	return e, true, nil
}

// readEnd64 follows the zip64 locator before the record at tail[at:], if any.
func readEnd64(ctx context.Context, src Source, tail []byte, from int64, at int) (e end, pos int64, ok bool, err error) {
	le := binary.LittleEndian
	if at < locatorSize || !bytes.HasPrefix(tail[at-locatorSize:], locatorSig) {
		return end{}, 0, false, nil
	}
	// Before the locator is where the record stands in a well-formed archive,
	// prefix bytes or not; the locator's own offset is the second guess.
	guesses := []int64{from + int64(at) - locatorSize - end64Size, int64(le.Uint64(tail[at-locatorSize+8:]))}
	for _, pos := range guesses {
		if pos < 0 || pos > from+int64(at)-locatorSize-end64Size {
			continue
		}
		b, err := readRange(ctx, src, pos, end64Size)
		if err != nil {
			return end{}, 0, false, err
		}
		if bytes.HasPrefix(b, end64Sig) && le.Uint32(b[16:]) == 0 && le.Uint32(b[20:]) == 0 {
			return end{count: le.Uint64(b[32:]), size: le.Uint64(b[40:]), offset: le.Uint64(b[48:])}, pos, true, nil
		}
	}
	return end{}, 0, false, nil
}

func readRange(ctx context.Context, src Source, offset, length int64) ([]byte, error) {
	r, err := src.Range(ctx, offset, length)
	if err != nil {
		return nil, err
	}
	b := make([]byte, length)
	_, err = io.ReadFull(r, b)
	_ = r.Close()
	return b, err
}

var magics = []struct{ magic, name string }{
	{"\x1f\x8b", "a gzip file"}, {"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"}, {"Rar!", "a RAR archive"},
	{"BZh", "a bzip2 file"}, {"\xfd7zXZ", "an xz file"}, {"\x28\xb5\x2f\xfd", "a zstd file"},
	{"<", "a web page or XML"}, {"{", "JSON"}, {"%PDF", "a PDF"},
	{"version https://git-lfs.github.com/spec/", "a pointer of Git LFS (git lfs pull brings the file)"},
}

// notZip says what the object is in place of a zip.
func notZip(ctx context.Context, src Source) error {
	head, err := readRange(ctx, src, 0, min(src.Size(), 512))
	if err != nil {
		return err
	}
	if bytes.HasPrefix(head, fileSig) {
		return invalid(src, "is cut off: %d bytes without the end record that closes a zip", src.Size()).
			WithHint("The upload broke off, or is still going on; upload it again.")
	}
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return invalid(src, "is no zip but %s", m.name).WithHint("Upload the dataset as a .zip with annotations.json and images/.")
		}
	}
	if len(head) > 262 && string(head[257:262]) == "ustar" {
		return invalid(src, "is no zip but a tar archive").WithHint("Upload the dataset as a .zip with annotations.json and images/.")
	}
	return invalid(src, "is no zip").WithHint("Upload the dataset as a .zip with annotations.json and images/.")
}
