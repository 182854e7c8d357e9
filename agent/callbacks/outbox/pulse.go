package outbox

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// PulseEvery is the longest silence that the backend sees.
const PulseEvery = 30 * time.Second

// pulseSlot is the slot of the agent's own heartbeats (the merging law, 1).
const pulseSlot = "pulse"

// PulseOptions configures a Pulse. Every func is called from Run and must be quick.
type PulseOptions struct {
	Outbox   *Outbox
	Every    time.Duration             // 0 means PulseEvery
	Phase    func() string             // "preparing", "training", "uploading", …
	Transfer func() *contract.Transfer // nil when nothing is on its way
	System   func() *contract.System   // nil when nothing is known
	Now      func() time.Time
}

// A Pulse sends the agent's own heartbeat whenever the child has been silent for
// a while: what the agent is doing, how far, and how the machine is. It repeats
// the child's last epoch and progress and carries no metrics, so it changes
// nothing of what the child reported.
type Pulse struct {
	opts PulseOptions

	mu       sync.Mutex
	epoch    int
	progress contract.Number
	last     time.Time // when the backend last had something to read
}

// NewPulse makes a Pulse, which is silent until Run.
func NewPulse(opts PulseOptions) *Pulse {
	if opts.Outbox == nil {
		panic("outbox: PulseOptions.Outbox is nil")
	}
	if opts.Every == 0 {
		opts.Every = PulseEvery
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Phase == nil {
		opts.Phase = func() string { return "" }
	}
	if opts.Transfer == nil {
		opts.Transfer = func() *contract.Transfer { return nil }
	}
	if opts.System == nil {
		opts.System = func() *contract.System { return nil }
	}
	return &Pulse{opts: opts, last: opts.Now()}
}

// Observe takes note of a heartbeat that the child, or its result file, sent.
// Other messages are ignored.
func (p *Pulse) Observe(msg contract.Message) {
	beat, ok := msg.Decoded().(contract.Heartbeat)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.epoch, p.last = beat.Epoch, p.opts.Now()
	if beat.Progress.Finite() {
		p.progress = beat.Progress
	}
}

// Run beats until ctx ends or the outbox takes nothing more.
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
		if err := p.Beat(); errors.Is(err, ErrFinal) || errors.Is(err, ErrClosed) {
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
	beat := contract.Heartbeat{Epoch: p.epoch, Progress: p.progress, Metrics: contract.Metrics{}, Timestamp: contract.At(now)}
	p.mu.Unlock()
	beat.Phase, beat.Transfer, beat.System = p.opts.Phase(), p.opts.Transfer(), p.opts.System()
	msg, err := contract.NewMessage(contract.KindHeartbeat, beat, now)
	if err != nil {
		return err
	}
	return p.opts.Outbox.AppendLatest(pulseSlot, msg)
}
