package stage

import (
	"context"
	"time"

	"github.com/vision-platform/trainer-agent/converters/crew"
)

// MinTail is what even the latest stop leaves for what is said last.
const MinTail = 3 * time.Second

// StopWithin is how long a stage may take to stop where nothing else is said.
const StopWithin = 10 * time.Second

// Budget is how long the end may take: its own limit, or what is left of the grace of
// a stop that is over at deadline. A zero deadline means that nobody is waiting.
func Budget(deadline time.Time, limit time.Duration, now time.Time) time.Duration {
	if deadline.IsZero() {
		return limit
	}
	return max(MinTail, deadline.Sub(now)-MinTail)
}

// Hurried ends ctx a share of time after a request to stop: a job that is done
// training may be asked to stop like any other.
func Hurried(parent, stopping context.Context, share time.Duration) (context.Context, context.CancelFunc) {
	return endAfter(parent, stopping, max(share, MinTail))
}

// Ahead is the part of the end for all that comes before what is said last. It ends with
// a fifth of the budget left, and after a request to stop with a fifth of the share: what
// overruns its own part takes nothing from that.
func Ahead(parent, stopping context.Context, budget, share time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(parent, budget*8/10)
	ctx, release := endAfter(ctx, stopping, max(share, MinTail)*8/10)
	return ctx, func() { release(); cancel() }
}

// Outlasting ends within Overtime after ctx, for what tidies up once ctx has ended.
func Outlasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return endAfter(context.WithoutCancel(ctx), ctx, Overtime*8/10)
}

func endAfter(parent, stopping context.Context, pause time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	release := context.AfterFunc(stopping, crew.Guarded(func() {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-ctx.Done():
		}
	}))
	return ctx, func() { release(); cancel() }
}
