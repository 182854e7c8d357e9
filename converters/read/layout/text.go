package layout

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"unicode/utf16"

	"github.com/vision-platform/trainer-agent/contract"
)

// ReadText reads a text file of the dataset, of at most limit bytes: a list, the
// names of classes, a configuration. A byte order mark is taken off, and UTF-16
// with one is read as what it is: editors on Windows write both.
func (f *Folder) ReadText(name string, limit int64) (string, error) {
	info, err := os.Stat(f.Path(name))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	if info.Size() > limit {
		return "", contract.Failf(contract.CodeDatasetTooLarge, "%s has %d bytes, more than %d.", name, info.Size(), limit)
	}
	text, err := os.ReadFile(f.Path(name))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	return Text(text), nil
}

// Text decodes UTF-8, and UTF-16 that begins with a byte order mark.
func Text(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		return utf16Text(b[2:], binary.LittleEndian)
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		return utf16Text(b[2:], binary.BigEndian)
	}
	return string(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
}

func utf16Text(b []byte, order binary.ByteOrder) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}
