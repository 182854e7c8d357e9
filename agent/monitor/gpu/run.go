package gpu

import (
	"context"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
	"github.com/vision-platform/trainer-agent/contract"
)

// ending is how one probe's life ended, as far as the restart policy cares.
type ending struct {
	reason string
	again  bool // whether another one may be started
}

// Run keeps a probe running until ctx ends. It returns early where there is
// nothing to watch: no GPU asked for, no probe, no glibc, no driver; the reason
// is one log line. A probe that hangs for good is left alone and never doubled.
func (m *Monitor) Run(ctx context.Context) {
	if !wanted(m.opts.Root, m.opts.Env) {
		m.off("no GPU was asked for and there is no /dev/nvidiactl")
		return
	}
	var failures []time.Time
	wait := time.Second
	for ctx.Err() == nil {
		began := time.Now()
		end := m.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if !end.again {
			m.off(end.reason)
			return
		}
		m.opts.Logger.Warn("the GPU probe ended", "reason", end.reason)
		now := time.Now()
		if now.Sub(began) > failureSpan {
			failures, wait = nil, time.Second
		}
		failures = append(within(failures, now), now)
		rest := wait
		wait = min(2*wait, backoffMax)
		if len(failures) > failuresMax {
			m.raise([]contract.GPUFault{{
				Kind: contract.GPUProbe, Index: -1, Time: now,
				Message: fmt.Sprintf("The GPU probe failed %d times in %v and rests for %v: %s", len(failures), failureSpan, offFor, end.reason),
			}})
			failures, wait, rest = nil, time.Second, offFor
		}
		_ = backoff.Wait(ctx, rest) // the loop looks at ctx
	}
}

// within keeps the failures that still count.
func within(failures []time.Time, now time.Time) []time.Time {
	for len(failures) > 0 && now.Sub(failures[0]) > failureSpan {
		failures = failures[1:]
	}
	return failures
}

// off notes that nothing is watched (any more) and why.
func (m *Monitor) off(reason string) {
	m.mu.Lock()
	m.reason = reason
	m.mu.Unlock()
	m.opts.Logger.Info("GPUs are not watched", "reason", reason)
}
