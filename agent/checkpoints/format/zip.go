package format

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
)

// inspectZip tests for the end record that torch.save and Keras write last. Every
// truncation of a torch file fails this, as it fails torch.load.
func inspectZip(r io.ReaderAt, size int64) Wholeness {
	offset, _, ok := zipDirectory(r, size)
	mark := make([]byte, 4)
	return wholeIf(ok && readFull(r, mark, offset) && string(mark) == "PK\x01\x02")
}

// zipDirectory finds the central directory by the end record, which has no comment
// in the files of torch and Keras, so it is the last 22 bytes; torch always puts
// the zip64 record and its locator (76 bytes) before it.
func zipDirectory(r io.ReaderAt, size int64) (offset, length int64, ok bool) {
	const eocdLen, zip64Len = 22, 56 + 20
	eocd := make([]byte, eocdLen)
	if size < eocdLen+4 || !readFull(r, eocd, size-eocdLen) || !bytes.HasPrefix(eocd, []byte("PK\x05\x06")) {
		return 0, 0, false
	}
	end := size - eocdLen
	length, offset = int64(binary.LittleEndian.Uint32(eocd[12:])), int64(binary.LittleEndian.Uint32(eocd[16:]))
	if length == math.MaxUint32 || offset == math.MaxUint32 {
		record := make([]byte, zip64Len)
		if end < zip64Len || !readFull(r, record, end-zip64Len) || !bytes.HasPrefix(record, []byte("PK\x06\x06")) {
			return 0, 0, false
		}
		length, offset = int64(binary.LittleEndian.Uint64(record[40:])), int64(binary.LittleEndian.Uint64(record[48:]))
	}
	if offset < 0 || length < 0 || offset > end || length > end-offset {
		return 0, 0, false
	}
	after := end - offset - length
	return offset, length, after == 0 || after == zip64Len
}
