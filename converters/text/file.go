package text

import (
	"bytes"
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// The names of encodings that are no code page.
const (
	UTF8    = "UTF-8"
	UTF16LE = "UTF-16, low byte first"
	UTF16BE = "UTF-16, high byte first"
)

// IsPage reports whether the name of an encoding is a code page's.
func IsPage(encoding string) bool {
	return encoding != UTF8 && encoding != UTF16LE && encoding != UTF16BE
}

// Decode reads the content of a file as text and says in which encoding it was: in
// UTF-8 or UTF-16, with a mark or without, else in the code page that fits best.
// A mark is taken off.
func Decode(b []byte) (text, encoding string) {
	switch kind, mark := utfOf(b); kind {
	case UTF16LE:
		return utf16Text(b[mark:], binary.LittleEndian), kind
	case UTF16BE:
		return utf16Text(b[mark:], binary.BigEndian), kind
	default:
		b = b[mark:]
	}
	if utf8.Valid(b) {
		return string(b), UTF8
	}
	var g Guess
	for line := range bytes.Lines(b) {
		g.Look(line)
	}
	page := g.Page()
	if page == nil {
		return string(bytes.ToValidUTF8(b, []byte("\ufffd"))), UTF8
	}
	return string(page.Decode(b)), page.Name
}

// utfOf tells UTF-16 from bytes, and how long a byte order mark is. Without a mark
// it is told by the zero bytes that every other letter of ASCII has.
func utfOf(b []byte) (kind string, mark int) {
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		return UTF8, 3
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		return UTF16LE, 2
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		return UTF16BE, 2
	case len(b) < 4 || len(b)%2 != 0 && len(b) < sniffed:
		return UTF8, 0
	}
	zeros := [2]int{}
	head := b[:min(len(b), sniffed)/2*2]
	for i, c := range head {
		if c == 0 {
			zeros[i%2]++
		}
	}
	switch pairs := len(head) / 2; {
	case zeros[0] == 0 && 2*zeros[1] > pairs:
		return UTF16LE, 0
	case zeros[1] == 0 && 2*zeros[0] > pairs:
		return UTF16BE, 0
	}
	return UTF8, 0
}

// sniffed is how many bytes of a file are looked at for zeros.
const sniffed = 512

func utf16Text(b []byte, order binary.ByteOrder) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// NewReader is a stream of text as UTF-8 without a mark. Code pages are left as
// they are: a stream cannot be looked at twice.
func NewReader(r io.Reader) io.Reader {
	head := make([]byte, sniffed)
	n, err := io.ReadFull(r, head)
	head = head[:n]
	kind, mark := utfOf(head)
	whole := io.MultiReader(bytes.NewReader(head[mark:]), r)
	if err != nil {
		whole = io.MultiReader(bytes.NewReader(head[mark:]), failing{err})
	}
	switch kind {
	case UTF16LE:
		return transform.NewReader(whole, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewDecoder())
	case UTF16BE:
		return transform.NewReader(whole, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewDecoder())
	}
	return whole
}

// maxSniffed bounds how much of a file is looked at for the code page that it is in.
const maxSniffed = 64 << 20

// NewFileReader is a file as a stream of UTF-8, whatever it is in. Page is the code
// page, empty where it is none.
func NewFileReader(f io.ReadSeeker) (r io.Reader, page string, err error) {
	p, err := sniffPage(io.LimitReader(f, maxSniffed))
	if err != nil {
		return nil, "", err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, "", err
	}
	if p == nil {
		return NewReader(f), "", nil
	}
	return transform.NewReader(f, p.encoding.NewDecoder()), p.Name, nil
}

// sniffPage looks at what stands in quotes; nil for UTF-8 and UTF-16.
func sniffPage(r io.Reader) (*Page, error) {
	var g Guess
	buffer := make([]byte, 1<<18)
	kept := 0
	for first := true; ; first = false {
		n, err := io.ReadFull(r, buffer[kept:])
		block := buffer[:kept+n]
		ended := err == io.EOF || err == io.ErrUnexpectedEOF //nolint:errorlint // of io.ReadFull, bare
		if err != nil && !ended {
			return nil, err
		}
		if kind, _ := utfOf(block); first && kind != UTF8 {
			return nil, nil
		}
		end := len(block)
		if !ended { // what is behind the last quote goes on in the next block
			if end = bytes.LastIndexByte(block, '"'); end <= 0 {
				end = len(block) - utf8.UTFMax // no character is cut in two
			}
		}
		if !utf8.Valid(block[:end]) {
			for part := range bytes.SplitSeq(block[:end], []byte{'"'}) {
				g.Look(part)
			}
		}
		if ended || g.n >= maxEvidence {
			return g.Page(), nil
		}
		kept = copy(buffer, block[end:])
	}
}

// failing ends a stream as it ended while it was looked at.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == io.ErrUnexpectedEOF { //nolint:errorlint // of io.ReadFull, bare
		return 0, io.EOF
	}
	return 0, f.err
}
