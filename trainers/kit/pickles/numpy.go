package pickles

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"regexp"
)

const maxNumPyHeader = 1 << 16

// objectField is a dtype of Python objects, alone or as a field.
var objectField = regexp.MustCompile(`['"][|<>=]?O[0-9]*['"]`)

// skipNumPyHeader reads the head of an .npy file (numpy/lib/format.py) and says
// whether a pickle follows, which is so of arrays of objects.
func skipNumPyHeader(in *bufio.Reader) (objects bool, err error) {
	fixed := make([]byte, 8) // magic, version
	if _, err := io.ReadFull(in, fixed); err != nil {
		return false, whole(err)
	}
	width := 2
	if fixed[6] > 1 {
		width = 4
	}
	length := make([]byte, 4)
	if _, err := io.ReadFull(in, length[:width]); err != nil {
		return false, whole(err)
	}
	size := binary.LittleEndian.Uint32(length)
	if size > maxNumPyHeader {
		return false, errors.New("the header of the array is too long")
	}
	header := make([]byte, size)
	if _, err := io.ReadFull(in, header); err != nil {
		return false, whole(err)
	}
	return objectField.Match(header), nil
}
