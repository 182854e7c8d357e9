package checkpoints

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"strings"
)

// wholeness is what a file's own format says about its end.
type wholeness int

const (
	endless wholeness = iota // the format has no end mark: only quiet can tell
	cut                      // its end is missing: still being written, or torn
	whole
)

// inspect answers from a few small reads whether the file is all there. base is
// the file's name, whose suffix decides where the first bytes do not. A read
// error counts as cut: the file is changing under us.
func inspect(r io.ReaderAt, size int64, base string) wholeness {
	if size == 0 {
		return cut
	}
	head := make([]byte, min(16, size))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return cut
	}
	lower := strings.ToLower(base)
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")): // torch, keras
		return inspectZip(r, size)
	case bytes.HasPrefix(head, []byte("\x89HDF\r\n\x1a\n")):
		return inspectHDF5(r, size)
	case strings.HasSuffix(lower, ".safetensors"):
		return inspectSafetensors(r, size)
	case strings.HasSuffix(lower, ".onnx"):
		return inspectONNX(r, size)
	case strings.HasSuffix(lower, ".json"):
		return inspectJSON(r, size)
	case !bytes.ContainsFunc(head, func(c rune) bool { return c != 0 }):
		return cut // a file whose size was set before its first byte was written
	}
	return endless
}

// inspectZip tests for the end record that torch.save and Keras write last. It
// has no comment in their files, so it is the last 22 bytes; torch always puts
// the zip64 record and its locator (76 bytes) before it. Every truncation of a
// torch file fails this, as it fails torch.load.
func inspectZip(r io.ReaderAt, size int64) wholeness {
	const eocdLen, zip64Len = 22, 56 + 20
	eocd := make([]byte, eocdLen)
	if size < eocdLen+4 || !readFull(r, eocd, size-eocdLen) || !bytes.HasPrefix(eocd, []byte("PK\x05\x06")) {
		return cut
	}
	end := size - eocdLen
	length, offset := int64(binary.LittleEndian.Uint32(eocd[12:])), int64(binary.LittleEndian.Uint32(eocd[16:]))
	if length == math.MaxUint32 || offset == math.MaxUint32 {
		record := make([]byte, zip64Len)
		if end < zip64Len || !readFull(r, record, end-zip64Len) || !bytes.HasPrefix(record, []byte("PK\x06\x06")) {
			return cut
		}
		length, offset = int64(binary.LittleEndian.Uint64(record[40:])), int64(binary.LittleEndian.Uint64(record[48:]))
	}
	if offset < 0 || length < 0 || offset > end || length > end-offset {
		return cut
	}
	if after := end - offset - length; after != 0 && after != zip64Len {
		return cut
	}
	mark := make([]byte, 4)
	if !readFull(r, mark, offset) || string(mark) != "PK\x01\x02" {
		return cut
	}
	return whole
}

// maxSafetensorsHeader is the format's own limit (safetensors, MAX_HEADER_SIZE).
const maxSafetensorsHeader = 100_000_000

// inspectSafetensors compares the size with the end of the last tensor. Some
// releases set the full size first, so a whole answer still needs a quiet file.
func inspectSafetensors(r io.ReaderAt, size int64) wholeness {
	prefix := make([]byte, 8)
	if size < 8 || !readFull(r, prefix, 0) {
		return cut
	}
	n := binary.LittleEndian.Uint64(prefix)
	if n == 0 || n > maxSafetensorsHeader || int64(n) > size-8 {
		return cut
	}
	end, err := lastTensorEnd(json.NewDecoder(io.NewSectionReader(r, 8, int64(n))))
	if err != nil || end < 0 || end != size-8-int64(n) {
		return cut
	}
	return whole
}

// lastTensorEnd reads {"name": {"data_offsets": [begin, end], …}, "__metadata__": {…}}
// entry by entry, so that a header of many megabytes costs no memory.
func lastTensorEnd(dec *json.Decoder) (int64, error) {
	if _, err := dec.Token(); err != nil {
		return 0, err
	}
	var end int64
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return 0, err
		}
		if name == "__metadata__" {
			var skip json.RawMessage
			if err := dec.Decode(&skip); err != nil {
				return 0, err
			}
			continue
		}
		var tensor struct {
			Offsets [2]int64 `json:"data_offsets"`
		}
		if err := dec.Decode(&tensor); err != nil {
			return 0, err
		}
		end = max(end, tensor.Offsets[1])
	}
	_, err := dec.Token()
	return end, err
}

// inspectONNX walks the fields of the ModelProto: the last one must end where
// the file ends, and the graph, which holds nearly all, and the operator sets,
// which are written after it, must be there.
func inspectONNX(r io.ReaderAt, size int64) wholeness {
	const graph, opsets, maxFields = 1 << 7, 1 << 8, 10_000
	var at int64
	seen := 0
	for range maxFields {
		if at == size {
			break
		}
		tag, n := uvarintAt(r, at)
		if n == 0 {
			return cut
		}
		at += n
		switch tag & 7 {
		case 0:
			_, n = uvarintAt(r, at)
			if n == 0 {
				return cut
			}
			at += n
		case 1:
			at += 8
		case 2:
			length, n := uvarintAt(r, at)
			if n == 0 || length > math.MaxInt64 || int64(length) > size-at-n {
				return cut
			}
			at += n + int64(length)
			seen |= 1 << min(tag>>3, 30)
		case 5:
			at += 4
		default:
			return endless // not a protobuf: some other thing by this name
		}
	}
	return wholeIf(at == size && seen&graph != 0 && seen&opsets != 0)
}

func uvarintAt(r io.ReaderAt, at int64) (value uint64, length int64) {
	buf := make([]byte, binary.MaxVarintLen64)
	n, err := r.ReadAt(buf, at)
	if n == 0 && err != nil {
		return 0, 0
	}
	v, used := binary.Uvarint(buf[:n])
	return v, int64(max(used, 0))
}

// inspectHDF5 compares the size with the end-of-file address of the superblock
// (HDF5 File Format Specification 3.0, section II.A).
func inspectHDF5(r io.ReaderAt, size int64) wholeness {
	block := make([]byte, 56)
	if size < int64(len(block)) || !readFull(r, block, 0) {
		return cut
	}
	at := map[byte]int{0: 40, 1: 44, 2: 28, 3: 28}
	offset, known := at[block[8]]
	offsets8 := block[13] == 8
	if block[8] >= 2 {
		offsets8 = block[9] == 8
	}
	if !known || !offsets8 {
		return endless
	}
	if end := binary.LittleEndian.Uint64(block[offset:]); end == 0 || end > uint64(size) {
		return cut
	}
	return whole
}

// inspectJSON counts brackets outside strings: what opens must be closed at the
// end. It does not parse: Python writes NaN, which JSON does not have.
func inspectJSON(r io.ReaderAt, size int64) wholeness {
	in := bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 64<<10)
	depth, quoted, closed := 0, false, false
	for {
		c, err := in.ReadByte()
		if err != nil {
			return wholeIf(err == io.EOF && closed)
		}
		switch {
		case quoted && c == '\\':
			_, _ = in.Discard(1)
		case c == '"':
			quoted = !quoted
		case quoted, c == ' ', c == '\n', c == '\r', c == '\t':
		case c == '{', c == '[':
			depth++
		case c == '}', c == ']':
			depth--
		}
		closed = closed && depth == 0 || depth == 0 && (c == '}' || c == ']')
	}
}

func wholeIf(ok bool) wholeness {
	if ok {
		return whole
	}
	return cut
}

func readFull(r io.ReaderAt, b []byte, at int64) bool {
	if at < 0 {
		return false
	}
	n, err := r.ReadAt(b, at)
	return n == len(b) && (err == nil || err == io.EOF)
}
