// Package memory watches the account of the agent's cgroup, which the training shares.
//
// It promises a warning before the kernel kills, once a level, and a note on disk before
// it: with memory.oom.group set, as the kubelet does, the agent is killed too, and only
// what is on disk by then remains. What the account counts is agent/internal/host's.
package memory

import (
	"context"
	"log/slog"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
)

// Read reads the account. An error means that there is none.
func Read() (host.Memory, error) { return host.FindGroups("/").Memory() }

// Levels are the percentages of the limit that are warned about.
var Levels = []int{90, 95}

// rearm is how far below a level use must fall before it is warned about again.
const rearm = 5

// Watch warns before the kernel kills.
type Watch struct {
	Read func() (host.Memory, error)
	// Warn is called once when use reaches a level, and again only after it fell 5
	// points below it.
	Warn func(level int, m host.Memory)
	// Eased is called when use fell so far below the lowest level that was warned
	// about; may be nil.
	Eased func()
	Log   *slog.Logger
}

// fastest is what a training takes of memory within a second, with several
// processes that touch fresh pages.
const fastest = 2 << 30

// Bounds of the pause between two readings.
const (
	shortestLook = 50 * time.Millisecond
	longestLook  = time.Second
)

// next is when to look again: before what is free can be gone.
func next(m host.Memory) time.Duration {
	gone := time.Duration(float64(m.Limit-m.Used) / fastest * float64(time.Second))
	return min(max(gone, shortestLook), longestLook)
}

// Run watches until ctx ends. It returns at once where there is no limit to watch,
// or no account; one that cannot be read for a moment is read again.
func (w Watch) Run(ctx context.Context) {
	if w.Log == nil {
		w.Log = slog.New(slog.DiscardHandler)
	}
	look := time.NewTimer(longestLook)
	defer look.Stop()
	warned, known := make([]bool, len(Levels)), false
	for {
		m, err := w.Read()
		pause := longestLook
		if err == nil && m.Limit > 0 {
			known, pause = true, next(m)
			w.judge(m, warned)
		} else if !known {
			w.Log.Debug("memory is not watched", "error", err, "limit", m.Limit)
			return
		}
		look.Reset(pause)
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

func (w Watch) judge(m host.Memory, warned []bool) {
	full := warned[0]
	for i, level := range Levels {
		switch {
		case m.Percent() >= level && !warned[i]:
			warned[i] = true
			w.Warn(level, m)
		case m.Percent() < level-rearm:
			warned[i] = false
		}
	}
	if full && !warned[0] && w.Eased != nil {
		w.Eased()
	}
}
