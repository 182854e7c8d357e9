package process

import (
	"context"
	"log/slog"
	"time"
)

// Memory is the account of the agent's cgroup, which the child shares. A value
// that the kernel does not tell is absent.
type Memory struct {
	Used     int64  // bytes that the kernel cannot take back: without the page cache
	Limit    int64  // bytes; 0 = none
	OOMKills *int64 // processes that the kernel killed in it for want of memory, ever
	Group    uint64 // which cgroup it is: a number that no other has while the machine runs; 0 = not known
}

// Percent is Used of Limit, 0 without a limit.
func (m Memory) Percent() int {
	if m.Limit <= 0 {
		return 0
	}
	return int(m.Used * 100 / m.Limit)
}

// KilledSince is how many processes the kernel killed for want of memory between
// two readings; false when that cannot be known, which is not "none": a reading of
// another cgroup tells nothing.
func (m Memory) KilledSince(before Memory) (int64, bool) {
	if m.OOMKills == nil || before.OOMKills == nil || m.Group != before.Group {
		return 0, false
	}
	return *m.OOMKills - *before.OOMKills, true
}

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
