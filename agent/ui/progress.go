package ui

import (
	"context"
	"log/slog"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

const (
	showEvery = 200 * time.Millisecond // rows on a terminal
	lookEvery = time.Second            // progress in the log
)

// Job is what the progress and the card tell of. What it knows of the training it
// reads from the Tracker.
type Job struct {
	ID      string
	Type    contract.JobType
	Epochs  int
	Metric  string // the primary one's name
	Tracker *job.Tracker
	Now     func() time.Time

	// Uploads are the uploads in flight, and all of them together; nil before there
	// are any.
	Uploads func() (active []contract.Transfer, all contract.Transfer)
	Pending func() int // callbacks to deliver; nil means none
}

// Progress tells how far a job is: rows on a person's terminal, and in the log a
// line now and then.
type Progress struct {
	Job    Job
	Screen *Screen // nil without a terminal
	Log    *slog.Logger
	Quiet  bool

	Mask    func(string) string // takes the secrets out of the last card
	Outcome slog.Level          // of the one line that says a success

	cancel context.CancelFunc
	done   chan struct{}
}

// Start begins to tell. It goes on after the end of ctx, until Stop.
func (p *Progress) Start(ctx context.Context) error {
	if p.Quiet || p.done != nil {
		return nil
	}
	every := lookEvery
	if p.Screen.HasRows() {
		every = showEvery
	}
	ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.done = make(chan struct{})
	crew.Go(func() { p.run(ctx, every) })
	return nil
}

func (p *Progress) run(ctx context.Context, every time.Duration) {
	defer close(p.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	lines := &logLines{job: p.Job, log: p.Log}
	for {
		select {
		case <-ctx.Done():
			lines.epoch(p.Job.Tracker.View(), true)
			return
		case <-tick.C:
		}
		v := p.Job.Tracker.View()
		lines.epoch(v, false)
		if p.Screen.HasRows() {
			p.Screen.Show(p.Job.rows(v)...)
		} else {
			lines.transfer(v)
		}
	}
}

// Stop ends it, with the last epoch's line. It may be called again.
func (p *Progress) Stop(ctx context.Context) error {
	if p.done == nil {
		return nil
	}
	p.cancel()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
