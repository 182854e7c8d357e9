package resources

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/contract"
)

// Options say what to watch. Only Workspace is required.
type Options struct {
	Root      string // where /proc, /sys and /dev are looked for; default "/"
	Workspace string // its file system is the job's disk

	// What the job asks of shared memory, see ShmNeed.
	Framework  string
	NumWorkers int
	BatchSize  int
	ImageSize  int // pixels, both sides

	Period   time.Duration  // between samples; default 10 s
	Progress func() float64 // percent of the job that is done, 0–100; nil or 0 = not known
	OnEvent  func(contract.EventType, string, any)
	Logger   *slog.Logger
}

// Sampler watches the container. Its methods may be called from any goroutine.
type Sampler struct {
	opts  Options
	rules rules

	mu      sync.Mutex
	look    looker
	cpu     cpuMeter
	last    reading
	account contract.SystemEvidence
}

// Once is one sample, for who watches no longer.
func Once(workspace string) (*contract.System, error) {
	sampler, err := New(Options{Workspace: workspace})
	if err != nil {
		return nil, err
	}
	return sampler.Sample(), nil
}

// New takes the first sample, which is the baseline of every counter.
func New(opts Options) (*Sampler, error) {
	if opts.Workspace == "" {
		return nil, errors.New("watching the system: no workspace given")
	}
	if opts.Root == "" {
		opts.Root = "/"
	}
	if opts.Period <= 0 {
		opts.Period = 10 * time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.OnEvent == nil {
		opts.OnEvent = func(contract.EventType, string, any) {}
	}
	now, groups := time.Now(), host.FindGroups(opts.Root)
	s := &Sampler{opts: opts, look: newLooker(opts, groups), cpu: newCPUMeter(groups, now)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(now)
	return s, nil
}

// Run samples until ctx ends and raises resource_warning events. The warnings
// that are known at the start (shared memory too small for the workers) come at
// once.
func (s *Sampler) Run(ctx context.Context) {
	s.warn(s.opts.startWarnings(s.Evidence()))
	tick := time.NewTicker(s.opts.Period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.warn(s.step(now))
		}
	}
}

func (s *Sampler) step(now time.Time) []warning {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(now)
	progress := 0.0
	if s.opts.Progress != nil {
		progress = s.opts.Progress()
	}
	return s.rules.judge(s.last, progress, s.opts.Workspace)
}

// take reads everything once and enters it into the account. It wants the lock.
func (s *Sampler) take(now time.Time) {
	s.last = s.look.look(now)
	s.look.enter(s.last, &s.account)
}

// Evidence takes a last sample and returns the accounts since New.
func (s *Sampler) Evidence() contract.SystemEvidence {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(time.Now())
	return s.account
}

func (s *Sampler) warn(warnings []warning) {
	for _, w := range warnings {
		s.opts.Logger.Debug(w.message, "resource", w.data["resource"])
		s.opts.OnEvent(contract.EventResourceWarning, w.message, w.data)
	}
}
