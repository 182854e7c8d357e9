package format

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// isPickle recognises what pickle.dump writes with a binary protocol. torch.save
// before 1.6 begins so too, with a magic number, but goes on after the last pickle.
func isPickle(head []byte) bool {
	return len(head) > 2 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5 &&
		(head[1] < 4 || head[2] == 0x95) && !bytes.HasPrefix(head[2:], []byte("\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"))
}

// maxOpcodes bounds the walk through a pickle that has no frames (protocols 2 and 3).
const maxOpcodes = 4 << 20

// inspectPickle walks the opcodes, over frames and payloads in one step, until STOP,
// which has to be the last byte (CPython, Lib/pickletools.py). More behind it is
// another format, or another pickle: only quiet can tell then.
func inspectPickle(r io.ReaderAt, size int64) Wholeness {
	p := pickle{r: r, size: size, in: bufio.NewReaderSize(nil, 4<<10)}
	p.seek(0)
	for range maxOpcodes {
		op, err := p.in.ReadByte()
		if err != nil {
			return Cut
		}
		p.at++
		if op == '.' {
			if p.at == size {
				return Whole
			}
			return Endless
		}
		if ok, known := p.skip(op); !known {
			return Endless
		} else if !ok {
			return Cut
		}
	}
	return Endless
}

// pickle reads forward and leaps.
type pickle struct {
	r    io.ReaderAt
	size int64
	at   int64
	in   *bufio.Reader
}

func (p *pickle) seek(at int64) {
	p.at = at
	p.in.Reset(io.NewSectionReader(p.r, at, p.size-at))
}

// leap moves n bytes on; false when the file ends before.
func (p *pickle) leap(n uint64) bool {
	if n > uint64(p.size-p.at) {
		return false
	}
	if n <= uint64(p.in.Buffered()) {
		_, _ = p.in.Discard(int(n))
		p.at += int64(n)
		return true
	}
	p.seek(p.at + int64(n))
	return true
}

// number reads a little-endian length of n bytes.
func (p *pickle) number(n int) (uint64, bool) {
	b := make([]byte, 8)
	if _, err := io.ReadFull(p.in, b[:n]); err != nil {
		return 0, false
	}
	p.at += int64(n)
	return binary.LittleEndian.Uint64(b), true
}

// lines passes over n lines; a name is never long.
func (p *pickle) lines(n int) bool {
	for range n {
		line, err := p.in.ReadSlice('\n')
		if err != nil {
			return false
		}
		p.at += int64(len(line))
	}
	return true
}

// Opcodes by what follows them.
const (
	bare     = "(012])}oesatbRQulNd" + "\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98"
	oneByte  = "Khq\x80\x82"
	twoBytes = "M\x83"
	four     = "Jjr\x84"
	length1  = "UC\x8c\x8a"
	length4  = "TBX\x8b"
	length8  = "\x8d\x8e\x96\x95" // the last is a frame: opcodes that end with it
	oneLine  = "ILFSVgpP"
	twoLines = "ci"
)

// skip passes over what belongs to an opcode.
func (p *pickle) skip(op byte) (ok, known bool) {
	is := func(set string) bool { return bytes.IndexByte([]byte(set), op) >= 0 }
	switch {
	case is(bare):
		return true, true
	case is(oneByte):
		return p.leap(1), true
	case is(twoBytes):
		return p.leap(2), true
	case is(four):
		return p.leap(4), true
	case op == 'G':
		return p.leap(8), true
	case op == 0x95:
		return p.frame(), true
	case is(length1):
		return p.counted(1), true
	case is(length4):
		return p.counted(4), true
	case is(length8):
		return p.counted(8), true
	case is(oneLine):
		return p.lines(1), true
	case is(twoLines):
		return p.lines(2), true
	}
	return false, false
}

func (p *pickle) counted(bytes int) bool {
	n, ok := p.number(bytes)
	return ok && p.leap(n)
}

// frame passes over a frame, all but its last byte: STOP ends the last one.
func (p *pickle) frame() bool {
	n, ok := p.number(8)
	if !ok || n == 0 || n > uint64(p.size-p.at) {
		return false
	}
	if p.at+int64(n) < p.size {
		return p.leap(n)
	}
	return p.leap(n - 1)
}
