package imagefile

import (
	"encoding/binary"
	"io"
)

const tagOrientation = 0x0112

// orientation reads tag 0x0112 of the first directory of a TIFF structure, which
// is what an EXIF block is. Anything unreadable counts as 1, as in every reader.
func orientation(r io.ReaderAt) int {
	head := make([]byte, 8)
	if _, err := r.ReadAt(head, 0); err != nil {
		return 1
	}
	var order binary.ByteOrder
	switch string(head[:2]) {
	case "II":
		order = binary.LittleEndian
	case "MM":
		order = binary.BigEndian
	default:
		return 1
	}
	at := int64(order.Uint32(head[4:]))
	count := make([]byte, 2)
	if _, err := r.ReadAt(count, at); err != nil {
		return 1
	}
	field := make([]byte, 12)
	for i := range int64(min(order.Uint16(count), 512)) {
		if _, err := r.ReadAt(field, at+2+12*i); err != nil {
			return 1
		}
		if order.Uint16(field) != tagOrientation {
			continue
		}
		if v := order.Uint16(field[8:]); v >= 1 && v <= 8 {
			return int(v)
		}
		return 1
	}
	return 1
}
