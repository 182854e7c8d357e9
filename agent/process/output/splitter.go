package output

import (
	"context"
	"errors"
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
	tail      *Tail
	alive     func() // called for every piece
}

// NewSplitter puts a queue before the console only: a pod's log driver that
// stands still must not stop training, and a file does not.
func NewSplitter(console, log io.Writer, secrets []string, alive func()) *Splitter {
	o := &Splitter{console: NewQueue(console, DefaultQueue), tail: NewTail(DefaultTail), alive: alive}
	o.collapser = NewCollapser(io.MultiWriter(log, o.tail), DefaultMaxLine)
	o.masker = redact.New(secrets).Writer(fanout{o.console, o.collapser})
	return o
}

// Write takes a piece of the output.
func (o *Splitter) Write(b []byte) (int, error) {
	o.alive()
	n, err := o.masker.Write(b)
	return n, errors.Join(err, o.masker.Release())
}

// Close passes on what was held back.
func (o *Splitter) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return errors.Join(o.masker.Close(), o.collapser.Close(), o.console.Close(ctx))
}

// fanout writes to all, whatever becomes of one: a full disk under training.log
// does not silence the console.
type fanout []io.Writer

func (f fanout) Write(b []byte) (int, error) {
	for _, w := range f {
		_, _ = w.Write(b)
	}
	return len(b), nil
}

// Tail are the last lines of the output.
func (o *Splitter) Tail() []string { return o.tail.Lines() }
