package format

import (
	"bufio"
	"io"
)

// inspectJSON counts brackets outside strings: what opens must be closed at the
// end. It does not parse: Python writes NaN, which JSON does not have.
func inspectJSON(r io.ReaderAt, size int64) Wholeness {
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
