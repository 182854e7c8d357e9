// Package heartbeat sends the agent's own heartbeat whenever the training script
// has been silent for a while: what the agent is doing, how far, and how the machine
// is.
//
// It promises that the backend never waits longer than Every for a sign of life,
// and that such a heartbeat changes nothing of what the child reported: it repeats
// the child's last epoch and progress and carries no metrics. It leaves delivery to
// the one that gives it Send, where a newer one takes the place of one that waits.
package heartbeat

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// Every is the longest silence that the backend sees.
const Every = 30 * time.Second

// Slot is the place of the agent's own heartbeats in the outbox: one waits at most.
const Slot = "pulse"

// Options configures a Pulse. Send is required. Every func is called from Run and
// must be quick.
type Options struct {
	Send     func(contract.Message) error // accepts a heartbeat in place of one that waits
	Over     func(error) bool             // whether Send's error means that nothing is accepted any more
	Every    time.Duration                // 0 means Every
	Job      func() job.View              // how far the child is, and the phase
	Transfer func() *contract.Transfer    // nil when nothing is on its way
	System   func() *contract.System      // nil when nothing is known
	Now      func() time.Time
}

// A Pulse is the agent's own heartbeat.
type Pulse struct {
	opts Options

	mu   sync.Mutex
	last time.Time // when the backend last had something to read
}

// New makes a Pulse, which is silent until Run.
func New(opts Options) (*Pulse, error) {
	if opts.Send == nil {
		return nil, errors.New("heartbeat: Options.Send is required")
	}
	if opts.Over == nil {
		opts.Over = func(error) bool { return false }
	}
	if opts.Every == 0 {
		opts.Every = Every
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Job == nil {
		opts.Job = func() job.View { return job.View{} }
	}
	if opts.Transfer == nil {
		opts.Transfer = func() *contract.Transfer { return nil }
	}
	if opts.System == nil {
		opts.System = func() *contract.System { return nil }
	}
	return &Pulse{opts: opts, last: opts.Now()}, nil
}

// Observe takes note of a heartbeat that the child, or its result file, sent.
// Other messages are ignored.
func (p *Pulse) Observe(msg contract.Message) {
	if msg.Kind != contract.KindHeartbeat {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = p.opts.Now()
}

// Run beats until ctx ends or nothing more is accepted.
func (p *Pulse) Run(ctx context.Context) error {
	for {
		timer := time.NewTimer(p.wait())
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		if p.wait() > 0 {
			continue // the child has spoken meanwhile
		}
		if err := p.Beat(); err != nil && p.opts.Over(err) {
			return nil
		}
	}
}

// wait is how long the child may still be silent.
func (p *Pulse) wait() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opts.Every - p.opts.Now().Sub(p.last)
}

// Beat sends one heartbeat now, for example when a phase begins. A full outbox
// refuses it, which only costs this beat.
func (p *Pulse) Beat() error {
	now := p.opts.Now()
	p.mu.Lock()
	p.last = now
	p.mu.Unlock()
	view := p.opts.Job()
	beat := contract.Heartbeat{
		Epoch: view.Epoch, Progress: contract.Number(view.Percent), Metrics: contract.Metrics{}, Timestamp: contract.At(now),
		Phase: view.Phase.Name, Transfer: p.opts.Transfer(), System: p.opts.System(),
	}
	msg, err := contract.NewMessage(contract.KindHeartbeat, beat, now)
	if err != nil {
		return err
	}
	return p.opts.Send(msg)
}
