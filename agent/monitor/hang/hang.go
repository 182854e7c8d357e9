// Package hang looks for a training process that does nothing at all.
//
// It promises never to suspect one on a single sign: there must have been no output,
// callback or checkpoint, and over the same time neither processor nor GPU did any
// work. It leaves to its caller what a hang means.
package hang

import (
	"context"
	"time"
)

// idleCores is how much of a core a process may use and still look idle: the
// poll loops of a stuck NCCL or DataLoader stay below it, work does not.
const idleCores = 0.05

// stoodStill is the gap between two looks that only a stopped agent explains: a
// frozen container, a suspended machine.
const stoodStill = 10 * time.Second

// Watch says what to look at. Every function is required.
type Watch struct {
	Timeout  time.Duration // how long all signs must be absent; 0 = for ever
	Now      func() time.Time
	Activity func() time.Time // the last output, callback or checkpoint
	GPUBusy  func() bool
}

// Wait returns how long the process has been doing nothing once that is Timeout,
// and false when ctx ends before. cpu is the processor time of the process and its
// descendants, ever.
func (w Watch) Wait(ctx context.Context, cpu func() time.Duration) (quiet time.Duration, hangs bool) {
	if w.Timeout <= 0 { // AGENT_HANG_TIMEOUT is off
		<-ctx.Done()
		return 0, false
	}
	every := max(w.Timeout/10, 50*time.Millisecond)
	tick := time.NewTicker(every)
	defer tick.Stop()
	since, work := w.Now(), cpu()
	looked := since
	for {
		select {
		case <-ctx.Done():
			return 0, false
		case <-tick.C:
		}
		now, used := w.Now(), cpu()
		paused := now.Sub(looked) >= every+stoodStill // the agent itself was stopped, and the process with it
		looked = now
		busy := (used - work).Seconds() > idleCores*now.Sub(since).Seconds()
		if w.Activity().After(since) || busy || paused || w.GPUBusy() {
			since, work = now, used
			continue
		}
		if quiet := now.Sub(since); quiet >= w.Timeout {
			return quiet, true
		}
	}
}
