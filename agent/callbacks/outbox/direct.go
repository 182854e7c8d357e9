package outbox

import (
	"context"
	"fmt"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/delivery"
	"github.com/vision-platform/trainer-agent/contract"
)

// Direct sends one message that no outbox holds, because there is no disk to hold it:
// the final callback of a job that cannot write its workspace. It tries until the
// backend takes or refuses the message, or ctx ends; refused is an error too. A kill
// meanwhile loses the message.
func Direct(ctx context.Context, m contract.Message, opts Options) error {
	opts, err := opts.withDefaults()
	if err != nil {
		return err
	}
	c, err := opts.client()
	if err != nil {
		return err
	}
	defer c.Close()
	outage := outageLog{log: opts.Logger, now: opts.Now}
	out, err := c.Deliver(ctx, delivery.Request{
		Path: m.Kind.Path(opts.JobID), Trace: opts.TraceID, Body: opts.Redact.JSON(m.Body), Final: m.Kind.Final(),
		Key: fmt.Sprintf("%s:%d", opts.JobID, opts.Now().UnixMilli()), // as the first of a new outbox
	}, delivery.Tries{Failed: outage.failed})
	if err != nil {
		return fmt.Errorf("sending %s: %w", m.Kind, err)
	}
	if !out.Delivered() {
		return fmt.Errorf("sending %s: the backend refused it with HTTP %d", m.Kind, out.Status)
	}
	return nil
}
