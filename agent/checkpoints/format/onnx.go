package format

import (
	"encoding/binary"
	"io"
	"math"
)

// inspectONNX walks the fields of the ModelProto: the last one must end where
// the file ends, and the graph, which holds nearly all, and the operator sets,
// which are written after it, must be there.
func inspectONNX(r io.ReaderAt, size int64) Wholeness {
	const graph, opsets, maxFields = 1 << 7, 1 << 8, 10_000
	var at int64
	seen := 0
	for range maxFields {
		if at == size {
			break
		}
		tag, n := uvarintAt(r, at)
		if n == 0 {
			return Cut
		}
		at += n
		switch tag & 7 {
		case 0:
			_, n = uvarintAt(r, at)
			if n == 0 {
				return Cut
			}
			at += n
		case 1:
			at += 8
		case 2:
			length, n := uvarintAt(r, at)
			if n == 0 || length > math.MaxInt64 || int64(length) > size-at-n {
				return Cut
			}
			at += n + int64(length)
			seen |= 1 << min(tag>>3, 30)
		case 5:
			at += 4
		default:
			return Endless // not a protobuf: some other thing by this name
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
