package format

import (
	"encoding/binary"
	"io"
)

// inspectHDF5 compares the size with the end-of-file address of the superblock
// (HDF5 File Format Specification 3.0, section II.A).
func inspectHDF5(r io.ReaderAt, size int64) Wholeness {
	block := make([]byte, 56)
	if size < int64(len(block)) || !readFull(r, block, 0) {
		return Cut
	}
	at := map[byte]int{0: 40, 1: 44, 2: 28, 3: 28}
	offset, known := at[block[8]]
	offsets8 := block[13] == 8
	if block[8] >= 2 {
		offsets8 = block[9] == 8
	}
	if !known || !offsets8 {
		return Endless
	}
	if end := binary.LittleEndian.Uint64(block[offset:]); end == 0 || end > uint64(size) {
		return Cut
	}
	return Whole
}
