package kube

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A step tells the hub what its command writes as it writes it, how it ended and what it
// left, in one stream of frames: a byte that says what it is, four bytes of length, content.
const (
	frameOut    = 'o' // standard output
	frameErr    = 'e' // standard error
	frameResult = 'r' // how the command ended, as JSON; once
	frameFiles  = 't' // a part of the tar with what it left
	frameEnd    = '.' // everything was told
)

const maxFrame = 64 << 10

// frames writes to a stream, from several goroutines.
type frames struct {
	mu sync.Mutex
	to io.Writer
}

func (f *frames) write(kind byte, content []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		part := content[:min(len(content), maxFrame)]
		content = content[len(part):]
		head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(part))) //nolint:gosec // at most maxFrame
		if _, err := f.to.Write(append(head, part...)); err != nil || len(content) == 0 {
			return err
		}
	}
}

// kind is a writer whose bytes go into frames of one kind.
func (f *frames) kind(kind byte) io.Writer { return frameWriter{f, kind} }

type frameWriter struct {
	frames *frames
	kind   byte
}

func (w frameWriter) Write(p []byte) (int, error) { return len(p), w.frames.write(w.kind, p) }

var errCut = errors.New("the connection to the pod was cut")

// readFrame reads one frame into a buffer of maxFrame bytes.
func readFrame(from io.Reader, buffer []byte) (kind byte, content []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errCut, err)
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > maxFrame {
		return 0, nil, fmt.Errorf("the pod sends what is no frame: %d bytes", size)
	}
	if _, err := io.ReadFull(from, buffer[:size]); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errCut, err)
	}
	return head[0], buffer[:size], nil
}
