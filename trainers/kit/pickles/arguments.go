package pickles

import (
	"bufio"
	"errors"
	"io"
	"math"
)

func none(*machine) (argument, error) { return argument{}, nil }

// number is a little-endian integer of some bytes.
func number(bytes int) func(*machine) (argument, error) {
	return func(m *machine) (a argument, err error) {
		for i := range bytes {
			b, err := m.in.ReadByte()
			if err != nil {
				return a, whole(err)
			}
			a.number |= uint64(b) << (8 * i)
		}
		return a, nil
	}
}

// counted is a text or bytes with its length before it. Only a short one is kept.
func counted(bytes int) func(*machine) (argument, error) {
	length := number(bytes)
	return func(m *machine) (argument, error) {
		a, err := length(m)
		if err != nil || a.number > math.MaxInt64 {
			return a, errors.Join(err, whole(io.EOF))
		}
		if a.number > maxText {
			_, err := io.CopyN(io.Discard, m.in, int64(a.number))
			return a, whole(err)
		}
		body := make([]byte, a.number)
		_, err = io.ReadFull(m.in, body)
		a.text, a.whole = string(body), true
		return a, whole(err)
	}
}

// line is an argument that ends with its line.
func line(m *machine) (a argument, err error) {
	body, err := m.in.ReadSlice('\n')
	text := string(body)
	for errors.Is(err, bufio.ErrBufferFull) && len(text) < maxLine {
		body, err = m.in.ReadSlice('\n')
		text += string(body)
	}
	if err != nil {
		return a, whole(err)
	}
	a.text, a.whole = text[:len(text)-1], true
	return a, nil
}

// twoLines is a module and a name.
func twoLines(m *machine) (argument, error) {
	a, err := line(m)
	if err != nil {
		return a, err
	}
	b, err := line(m)
	a.second = b.text
	return a, err
}

// whole says that a pickle must not end within an argument.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
