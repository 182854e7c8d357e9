package resources

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

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
	opts   Options
	groups groups

	mu       sync.Mutex
	started  time.Time
	firstOOM memory
	ev       contract.SystemEvidence
	last     reading
	cpuAt    time.Time // the last heartbeat's reading of the processor
	cpuUsed  time.Duration
	cpuKnown bool
	rules    rules
}

// reading is one look at everything.
type reading struct {
	at        time.Time
	mem       memory
	shm, disk *volume
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
	s := &Sampler{opts: opts, groups: findGroups(opts.Root), started: time.Now()}
	s.cpuUsed, s.cpuKnown = s.groups.cpuTime()
	s.cpuAt = s.started
	s.firstOOM = s.groups.memory(opts.Root)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(s.started)
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

// take reads everything once. It wants the lock.
func (s *Sampler) take(now time.Time) {
	r := reading{at: now, mem: s.groups.memory(s.opts.Root)}
	r.shm = s.look(shmPath(s.opts.Root), &s.ev.Shm)
	r.disk = s.look(s.opts.Workspace, &s.ev.Disk)
	if tmp, err := statVolume(filepath.Join(s.opts.Root, "tmp")); err == nil && r.disk != nil && tmp.dev != r.disk.dev {
		tmp.add(&s.ev.Tmp, filepath.Join(s.opts.Root, "tmp"))
	}
	s.ev.MemoryPeak = max(s.ev.MemoryPeak, r.mem.used)
	s.ev.MemoryLimit = r.mem.limit
	if r.mem.known && s.firstOOM.known {
		kills := r.mem.kills - s.firstOOM.kills
		s.ev.OOMKills = &kills
	}
	s.last = r
}

func (s *Sampler) look(path string, account *contract.VolumeEvidence) *volume {
	v, err := statVolume(path)
	if err != nil || v.total == 0 {
		return nil
	}
	v.add(account, path)
	return &v
}

// Evidence takes a last sample and returns the accounts since New.
func (s *Sampler) Evidence() contract.SystemEvidence {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(time.Now())
	return s.ev
}

func (s *Sampler) warn(warnings []warning) {
	for _, w := range warnings {
		s.opts.Logger.Debug(w.message, "resource", w.data["resource"])
		s.opts.OnEvent(contract.EventResourceWarning, w.message, w.data)
	}
}
