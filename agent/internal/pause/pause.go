// Package pause waits for a time that a context may cut short. It promises to
// return as soon as the context ends. It leaves how long, and whether to try
// again, to its callers.
package pause

import (
	"context"
	"time"
)

// For waits for d, or returns the context's cause as soon as that ends.
func For(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
