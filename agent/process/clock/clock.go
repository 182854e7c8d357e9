// Package clock counts the time that a training process could use.
//
// It promises that neither a stopped process nor a frozen container uses up a limit,
// and that a machine under load does. What is done when the time is up is the
// caller's.
package clock

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/vision-platform/trainer-agent/converters/crew"
)

// Clock counts the time in which a child could run: not while it was stopped
// (SIGSTOP), and not while the whole container was (a freezer, docker pause, a
// suspended machine), which the agent notices by its own gap.
type Clock struct {
	ran atomic.Int64 // nanoseconds
}

// clockTick is how often a clock looks, at most; frozenAfter is the gap between two
// looks that only a stopped agent explains.
const (
	clockTick   = time.Second
	frozenAfter = 10 * time.Second
)

// Start starts the clock of a child, which ends when done is closed or ctx is over.
// stopped reports that the child is stopped. A limit shorter than a second makes the
// clock look more often: give the shortest that matters.
func Start(ctx context.Context, done <-chan struct{}, stopped func() bool, shortest time.Duration) *Clock {
	k := &Clock{}
	crew.Go(func() { k.run(ctx, done, stopped, min(clockTick, max(shortest/10, time.Millisecond))) })
	return k
}

// Ran is the time so far.
func (k *Clock) Ran() time.Duration { return time.Duration(k.ran.Load()) }

// After is closed once the child has run for d, or never when ctx ends before.
func (k *Clock) After(ctx context.Context, d time.Duration) <-chan struct{} {
	over := make(chan struct{})
	crew.Go(func() {
		for k.Ran() < d {
			wait := time.NewTimer(min(max(d-k.Ran(), time.Millisecond), clockTick))
			select {
			case <-ctx.Done():
				wait.Stop()
				return
			case <-wait.C:
			}
		}
		close(over)
	})
	return over
}

func (k *Clock) run(ctx context.Context, done <-chan struct{}, stopped func() bool, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-done:
			return
		case <-tick.C:
		}
		now := time.Now()
		k.ran.Add(int64(counted(now.Sub(last), every, stopped())))
		last = now
	}
}

// counted is what of the time between two looks the child could run: nothing when
// it is stopped, and one look's worth when the agent itself stood still.
func counted(gap, every time.Duration, stopped bool) time.Duration {
	switch {
	case stopped:
		return 0
	case gap >= every+frozenAfter:
		return every
	}
	return gap
}
