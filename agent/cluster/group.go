package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// ErrTogether ends what a machine does when another machine of the job has failed.
var ErrTogether = errors.New("another machine of the job has failed")

// A Group is this machine's place among those of a job. Node 0 leads: it reports
// and uploads for all. The others run their child, tell node 0 what happens to it,
// and end with node 0's verdict. In a job on one machine every method does nothing,
// and the machine leads.
type Group struct {
	opts   Options
	leader atomic.Pointer[Leader] // set by Start, while events may already be told
	member atomic.Pointer[Member]
}

// NewGroup makes a Group that has no link to the others before Start. The address
// in opts is where the leader listens, or is found.
func NewGroup(opts Options) *Group { return &Group{opts: opts} }

// Alone reports whether the job has only this machine.
func (g *Group) Alone() bool { return g.opts.Nodes <= 1 }

// Rank is this machine's number; the only one is 0, whatever Kubernetes counts.
func (g *Group) Rank() int {
	if g.Alone() {
		return 0
	}
	return g.opts.Rank
}

// Leads reports whether this machine reports and uploads: node 0, or the only one.
func (g *Group) Leads() bool { return g.Rank() == 0 }

// Start opens the leader's port, or joins it.
func (g *Group) Start(ctx context.Context) error {
	switch {
	case g.Alone():
		return nil
	case g.Leads():
		l, err := Listen(ctx, g.opts)
		if err == nil {
			g.leader.Store(l)
		}
		return err
	}
	m, err := Join(ctx, g.opts)
	if err == nil {
		g.member.Store(m)
	}
	return err
}

// Stop closes the link.
func (g *Group) Stop(context.Context) error {
	if l := g.leader.Load(); l != nil {
		l.Close()
	}
	if m := g.member.Load(); m != nil {
		m.Close()
	}
	return nil
}

// Assemble waits until every machine is prepared.
func (g *Group) Assemble(ctx context.Context) (err error) {
	if l := g.leader.Load(); l != nil {
		err = l.Assemble(ctx)
	} else if m := g.member.Load(); m != nil {
		err = m.Assemble(ctx)
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", ErrTogether, err)
	}
	return err
}

// Trouble fires when another machine has failed; never for a job on one.
func (g *Group) Trouble() <-chan struct{} {
	if l := g.leader.Load(); l != nil {
		return l.Trouble()
	}
	if m := g.member.Load(); m != nil {
		return m.Trouble()
	}
	return nil
}

// While ends ctx with ErrTogether when another machine has failed: nobody finishes
// a download for a job that is over.
func (g *Group) While(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	release := make(chan struct{})
	crew.Go(func() {
		select {
		case <-g.Trouble():
			cancel(ErrTogether)
		case <-ctx.Done():
		case <-release:
		}
	})
	return ctx, func() { close(release); cancel(nil) }
}

// Leaving tells the others at once that this machine was asked to stop, so that
// every child can finish its step while all are still there.
func (g *Group) Leaving() {
	if l := g.leader.Load(); l != nil {
		l.Stop()
	}
	g.Ended(contract.Failf(contract.CodeStopped, "The machine was asked to stop.").WithHint("Run it again: it resumes from its last checkpoint."))
}

// StopOthers ends the other machines' children: the leader's did not end well.
func (g *Group) StopOthers() {
	if l := g.leader.Load(); l != nil {
		l.Stop()
	}
}

// Ended tells node 0 how this machine's part ended, as soon as it is known; nil is
// well.
func (g *Group) Ended(failure *contract.Failure) {
	if m := g.member.Load(); m != nil {
		m.Ended(failure)
	}
}

// Evidence is what is known of the other machines. A leader waits for those that
// have not said how they ended, up to patience.
func (g *Group) Evidence(patience time.Duration) []contract.NodeEvidence {
	if l := g.leader.Load(); l != nil {
		return l.Evidence(patience)
	}
	if m := g.member.Load(); m != nil {
		return m.Evidence()
	}
	return nil
}

// Verdict waits for the leader's word on how the job ended; nil when it does not
// come.
func (g *Group) Verdict(ctx context.Context) *Verdict {
	if m := g.member.Load(); m != nil {
		return m.Verdict(ctx)
	}
	return nil
}

// Settle ends a machine that does not lead as the leader says, once that is known: it
// waits until ctx ends, or stopping, because one that was asked to stop waits for
// nobody.
func (g *Group) Settle(ctx context.Context, own contract.Result, stopping context.Context) (settled contract.Result, warning string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(stopping, crew.Guarded(cancel))()
	v := g.Verdict(ctx)
	return Settle(own, v, stopping.Err() != nil)
}

// End tells the members how the job ended, after everything else.
func (g *Group) End(v Verdict) {
	if l := g.leader.Load(); l != nil {
		l.End(v)
	}
}

// Announce tells the other machines how a run ended that is over; for a leader
// that was never started.
func (g *Group) Announce(ctx context.Context, v Verdict) error {
	if g.Alone() {
		return nil
	}
	return Announce(ctx, g.opts, v)
}
