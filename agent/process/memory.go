package process

import (
	"context"
	"log/slog"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
)

// Memory is the account of the agent's cgroup, which the child shares.
type Memory = host.Memory

// ReadMemory reads it. An error means that there is none.
func ReadMemory() (Memory, error) { return host.FindGroups("/").Memory() }

// PressureLevels are the percentages of the limit that are warned about.
var PressureLevels = []int{90, 95}

// rearm is how far below a level use must fall before it is warned about again.
const rearm = 5

// MemoryWatch warns before the kernel kills: with memory.oom.group set, as the
// kubelet does, it kills the agent too, and only what is on disk by then remains.
type MemoryWatch struct {
	Read func() (Memory, error) // ReadMemory
	// Warn is called once when use reaches a level, and again only after it fell 5
	// points below it.
	Warn  func(level int, m Memory)
	Every time.Duration // default 1 s
	Log   *slog.Logger
}

// Run watches until ctx ends. It returns at once where there is no limit to watch,
// or no account.
func (w MemoryWatch) Run(ctx context.Context) {
	if w.Every <= 0 {
		w.Every = time.Second
	}
	if w.Log == nil {
		w.Log = slog.New(slog.DiscardHandler)
	}
	tick := time.NewTicker(w.Every)
	defer tick.Stop()
	warned := make([]bool, len(PressureLevels))
	for {
		m, err := w.Read()
		if err != nil || m.Limit <= 0 {
			w.Log.Debug("memory is not watched", "error", err, "limit", m.Limit)
			return
		}
		w.judge(m, warned)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (w MemoryWatch) judge(m Memory, warned []bool) {
	for i, level := range PressureLevels {
		switch {
		case m.Percent() >= level && !warned[i]:
			warned[i] = true
			w.Warn(level, m)
		case m.Percent() < level-rearm:
			warned[i] = false
		}
	}
}
