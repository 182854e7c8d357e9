package backend

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// journal appends calls as JSON lines, up to a limit.
type journal struct {
	file  *os.File
	size  int64
	limit int64 // bytes
}

// openJournal opens or makes a journal and hands over what it holds. A torn last
// line, from a sandbox that was killed, is cut off.
func openJournal(path string, limit int64, each func(*Call)) (*journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	size, err := replay(f, each)
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading %s: %w", path, err), f.Close())
	}
	return &journal{file: f, size: size, limit: limit}, nil
}

// append writes one call. Past the limit it writes nothing: the journal then
// holds the beginning, memory the end.
func (j *journal) append(c *Call) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false) // a body must read back byte by byte
	if err := enc.Encode(c); err != nil {
		return err
	}
	if j.size+int64(line.Len()) > j.limit {
		return nil
	}
	n, err := j.file.Write(line.Bytes())
	j.size += int64(n)
	return err
}

// replay hands over every call of a journal and returns the length of its
// complete lines in bytes.
func replay(r io.Reader, each func(*Call)) (size int64, err error) {
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return size, err
		}
		c := new(Call)
		if err := json.Unmarshal(line, c); err != nil {
			return size, fmt.Errorf("line %d: %w", n, err)
		}
		size += int64(len(line))
		each(c)
	}
}
