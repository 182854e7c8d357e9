package outbox

import (
	"context"
	"fmt"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/delivery"
	"github.com/vision-platform/trainer-agent/contract"
)

// Direct sends one message that no outbox holds, because there is no disk to hold it:
// the final callback of a job that cannot write its workspace. It tries until the
// backend takes or refuses the message, or ctx ends; refused is an error too, and left
// is the message then as a line that Replay sends, under the same key. A kill meanwhile
// loses the message.
func Direct(ctx context.Context, m contract.Message, opts Options) (left []byte, err error) {
	if opts, err = opts.withDefaults(); err != nil {
		return nil, err
	}
	c, err := opts.client()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	line := Line{
		Key:  fmt.Sprintf("%s:%d", opts.JobID, opts.Now().UnixMilli()), // as the first of a new outbox
		Kind: m.Kind, Path: m.Kind.Path(opts.JobID), TraceID: opts.TraceID, Time: m.Time.UTC(), Body: opts.Redact.JSON(m.Body),
	}
	if left, err = line.encode(); err != nil {
		return nil, fmt.Errorf("encoding %s: %w", m.Kind, err)
	}
	outage := outageLog{log: opts.Logger, now: opts.Now}
	out, err := c.Deliver(ctx, delivery.Request{Path: line.Path, Trace: line.TraceID, Body: line.Body, Final: m.Kind.Final(), Key: line.Key}, delivery.Tries{Failed: outage.failed})
	if err != nil {
		return left, fmt.Errorf("sending %s: %w", m.Kind, err)
	}
	if !out.Delivered() {
		return left, fmt.Errorf("sending %s: the backend refused it with HTTP %d", m.Kind, out.Status)
	}
	return nil, nil
}
