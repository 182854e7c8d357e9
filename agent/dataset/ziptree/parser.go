package ziptree

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/converters/text"
)

// parser walks the central directory headers (4.3.12).
type parser struct {
	d          *Directory
	r          *bufio.Reader
	base       int64
	page       *text.Page
	dirIDs     map[string]int32
	buf        []byte
	guess      text.Guess
	unreadable int
}

func (p *parser) next() error {
	le := binary.LittleEndian
	var h [centralSize]byte
	if _, err := io.ReadFull(p.r, h[:]); err != nil {
		return err
	}
	if !bytes.HasPrefix(h[:], centralSig) {
		return invalid(p.d.src, "has a damaged or encrypted directory").WithHint("Make it again, without encryption.")
	}
	nameLen, extraLen, commentLen := int(le.Uint16(h[28:])), int(le.Uint16(h[30:])), int(le.Uint16(h[32:]))
	b := p.buf[:nameLen+extraLen]
	if _, err := io.ReadFull(p.r, b); err != nil {
		return err
	}
	if _, err := p.r.Discard(commentLen); err != nil {
		return err
	}
	rawName, extra := b[:nameLen], b[nameLen:]
	flags := le.Uint16(h[8:])
	e := entry{
		crc: le.Uint32(h[16:]), packed: int64(le.Uint32(h[20:])),
		size: int64(le.Uint32(h[24:])), offset: int64(le.Uint32(h[42:])),
	}
	if err := e.zip64(extra); err != nil {
		return invalid(p.d.src, "has a damaged directory: %w", err)
	}
	e.offset += p.base
	return p.add(e, rawName, extra, flags, header{
		method: le.Uint16(h[10:]), host: h[5], attributes: le.Uint32(h[38:]), disk: le.Uint16(h[34:]),
	})
}

// header is what only decides whether an entry is taken.
type header struct {
	method, disk uint16
	host         byte
	attributes   uint32
}

// zip64 replaces the 32-bit fields that are all ones (4.5.3).
func (e *entry) zip64(extra []byte) error {
	fields := []*int64{&e.size, &e.packed, &e.offset}
	field, missing := findExtra(extra, 1), false
	for _, f := range fields {
		if *f != 0xffffffff {
			continue
		}
		if len(field) < 8 {
			missing = field != nil
			continue
		}
		v := binary.LittleEndian.Uint64(field)
		if v > 1<<62 {
			return fmt.Errorf("an impossible size %d", v)
		}
		*f, field = int64(v), field[8:]
	}
	if missing {
		return errors.New("a zip64 field is missing")
	}
	return nil
}

func (p *parser) add(e entry, raw, extra []byte, flags uint16, h header) error {
	name := decode(raw, flags&(1<<11) != 0, extra, p.page)
	if !utf8.Valid(name) {
		if flags&(1<<11) != 0 {
			return invalid(p.d.src, "has the name %q, which is not the UTF-8 that it claims to be", raw)
		}
		p.unreadable++
		p.guess.Look(raw)
		return nil // the second pass will read it
	}
	full := string(name)
	if p.page != nil && !bytes.Equal(name, raw) && unicodePath(raw, extra) == nil {
		p.d.Names.Add(full)
	}
	if strings.HasSuffix(full, "/") || strings.HasSuffix(full, `\`) {
		return p.folder(full, e)
	}
	clean, err := tree.Clean(full)
	if err != nil {
		return invalid(p.d.src, "is refused: %w", err).WithHint("Zip the dataset's folder with relative names.")
	}
	if tree.Junk(clean) {
		p.d.Junk++
		return nil
	}
	if err := p.acceptable(clean, flags, h, &e); err != nil {
		return err
	}
	e.name, e.nameLen = p.d.names.add([]byte(clean)), uint16(len(clean))
	e.dir = p.dir(clean)
	p.d.entries = append(p.d.entries, e)
	return nil
}

// folder passes over an entry for a folder: the files in it make it.
func (p *parser) folder(name string, e entry) error {
	if strings.Trim(name, `/\.`) != "" {
		if _, err := tree.Clean(strings.TrimRight(name, `/\`)); err != nil {
			return invalid(p.d.src, "is refused: %w", err)
		}
	}
	if e.size > 0 {
		return invalid(p.d.src, "has the folder %q with %d bytes of content", name, e.size)
	}
	return nil
}

func (p *parser) dir(path string) int32 {
	dir := path[:max(strings.LastIndexByte(path, '/'), 0)]
	id, ok := p.dirIDs[dir]
	if !ok {
		p.d.dirs = append(p.d.dirs, strings.Clone(dir))
		id = int32(len(p.d.dirs))
		p.dirIDs[p.d.dirs[id-1]] = id
	}
	return id
}

var methodNames = map[uint16]string{
	1: "shrink", 6: "implode", 9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz", 98: "ppmd", 99: "AES encryption",
}

func (p *parser) acceptable(name string, flags uint16, h header, e *entry) error {
	src := p.d.src
	const unixType, regular, link, folder = 0o170000, 0o100000, 0o120000, 0o040000
	mode := h.attributes >> 16 & unixType
	switch {
	case flags&1 != 0:
		return invalid(src, "is encrypted (%s)", name).WithHint("Zip it without a password.")
	case h.method != methodStore && h.method != methodDeflate:
		what := methodNames[h.method]
		if what == "" {
			what = "number " + fmt.Sprint(h.method)
		}
		return invalid(src, "packs %s with the method %s", name, what).WithHint("Zip with store or deflate, the default of every tool.")
	case h.disk != 0 && h.disk != 0xffff:
		return invalid(src, "is one part of a split archive").WithHint("Join the parts, or zip without splitting.")
	case (h.host == 3 || h.host == 19) && mode == link:
		return invalid(src, "has the symbolic link %s", name).WithHint("Zip the files that links point to (zip without -y).")
	case (h.host == 3 || h.host == 19) && mode != 0 && mode != regular:
		return invalid(src, "has %s, which is no regular file", name)
	case h.method == methodStore && e.packed != e.size:
		return invalid(src, "declares two sizes for %s", name)
	case e.offset < 0 || e.packed > p.d.start-e.offset-localSize:
		return invalid(src, "places %s outside of itself", name)
	}
	e.deflate = h.method == methodDeflate
	return nil
}
