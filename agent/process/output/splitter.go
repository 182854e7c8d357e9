package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/redact"
)

// Splitter is where the child's output goes: masked, then byte by byte to our
// own stdout, and line by line to training.log and to the tail for the diagnosis.
type Splitter struct {
	masker    *redact.Writer
	console   *Queue
	collapser *Collapser
	file      *file
	tail      *Tail
	alive     func() // called for every piece
}

// NewSplitter puts a queue before the console only: a pod's log driver that
// stands still must not stop training, and a file does not.
func NewSplitter(console, log io.Writer, secrets []string, alive func()) *Splitter {
	o := &Splitter{console: NewQueue(console, DefaultQueue), file: &file{w: log}, tail: NewTail(DefaultTail), alive: alive}
	o.collapser = NewCollapser(fanout{o.file, o.tail}, DefaultMaxLine)
	o.masker = redact.New(secrets).Writer(fanout{o.console, o.collapser})
	return o
}

// Write takes a piece of the output.
func (o *Splitter) Write(b []byte) (int, error) {
	o.alive()
	n, err := o.masker.Write(b)
	return n, errors.Join(err, o.masker.Release())
}

// Close passes on what was held back, and says what training.log could not take.
func (o *Splitter) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return errors.Join(o.masker.Close(), o.collapser.Close(), o.console.Close(ctx), o.file.missed())
}

// file is training.log. It remembers the first line that it could not take.
type file struct {
	w   io.Writer
	err error
}

func (f *file) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	if f.err == nil {
		f.err = err
	}
	return n, err
}

func (f *file) missed() error {
	if f.err == nil {
		return nil
	}
	return fmt.Errorf("training.log lacks a part of the output: %w", f.err)
}

// fanout writes to all, whatever becomes of one: a full disk under training.log
// does not silence the console, and the diagnosis reads what was printed about it.
type fanout []io.Writer

func (f fanout) Write(b []byte) (int, error) {
	for _, w := range f {
		_, _ = w.Write(b)
	}
	return len(b), nil
}

// Tail are the last lines of the output.
func (o *Splitter) Tail() []string { return o.tail.Lines() }
