package ziptree

import (
	"encoding/binary"
	"hash/crc32"
	"unicode/utf8"

	"github.com/vision-platform/trainer-agent/converters/text"
)

// arena keeps names in chunks: no header, no allocation and no slack a name.
type arena struct{ chunks [][]byte }

const arenaChunk = 1 << 16

// ref is a name's place: chunk number and offset in it.
type ref uint32

func (a *arena) add(name []byte) ref {
	last := len(a.chunks) - 1
	if last < 0 || len(a.chunks[last])+len(name) > arenaChunk {
		a.chunks = append(a.chunks, make([]byte, 0, arenaChunk))
		last++
	}
	at := len(a.chunks[last])
	a.chunks[last] = append(a.chunks[last], name...)
	return ref(last<<16 | at)
}

func (a *arena) get(r ref, length uint16) []byte {
	return a.chunks[r>>16][r&0xffff:][:length]
}

// decode returns the name as UTF-8. Without the flag (bit 11) a name that is
// valid UTF-8 is taken as such, because macOS and many libraries forget it. The code
// page is one property of the machine that packed the archive, so it is decided
// once and not for every name.
func decode(raw []byte, utf8Flag bool, extra []byte, page *text.Page) []byte {
	if utf8Flag || utf8.Valid(raw) && (page == nil || !page.Suits(raw)) {
		return raw
	}
	if u := unicodePath(raw, extra); u != nil {
		return u
	}
	if page == nil {
		return raw
	}
	return page.Decode(raw)
}

// unicodePath is the Info-ZIP Unicode Path extra field (4.6.9), when it belongs
// to this very name.
func unicodePath(raw, extra []byte) []byte {
	field := findExtra(extra, 0x7075)
	if len(field) < 6 || field[0] != 1 || binary.LittleEndian.Uint32(field[1:]) != crc32.ChecksumIEEE(raw) || !utf8.Valid(field[5:]) {
		return nil
	}
	return field[5:]
}

// findExtra returns the body of an extra field (4.5.1), nil when it is absent.
func findExtra(extra []byte, id uint16) []byte {
	for len(extra) >= 4 {
		tag, size := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if extra = extra[4:]; size > len(extra) {
			return nil
		}
		if tag == id {
			return extra[:size]
		}
		extra = extra[size:]
	}
	return nil
}
