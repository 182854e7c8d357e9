package agent

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/redact"
	"github.com/vision-platform/trainer-agent/agent/process/output"
)

// childOutput is where the child's output goes: masked, then byte by byte to our
// own stdout, and line by line to training.log and to the tail for the diagnosis.
type childOutput struct {
	masker    *redact.Writer
	console   *output.Queue
	collapser *output.Collapser
	tail      *output.Tail
	alive     func()
}

// newChildOutput puts a queue before the console only: a pod's log driver that
// stands still must not stop training, and a file does not.
func newChildOutput(console, log io.Writer, secrets []string, alive func()) *childOutput {
	o := &childOutput{console: output.NewQueue(console, output.DefaultQueue), tail: output.NewTail(output.DefaultTail), alive: alive}
	o.collapser = output.NewCollapser(io.MultiWriter(log, o.tail), output.DefaultMaxLine)
	o.masker = redact.New(secrets).Writer(fanout{o.console, o.collapser})
	return o
}

func (o *childOutput) Write(b []byte) (int, error) {
	o.alive()
	return o.masker.Write(b)
}

// Close passes on what was held back.
func (o *childOutput) Close() error {
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
