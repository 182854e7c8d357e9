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
	Warn  func(level int, m host.Memory)
	Every time.Duration // default 1 s
	Log   *slog.Logger
}

// Run watches until ctx ends. It returns at once where there is no limit to watch,
// or no account.
func (w Watch) Run(ctx context.Context) {
	if w.Every <= 0 {
		w.Every = time.Second
	}
	if w.Log == nil {
		w.Log = slog.New(slog.DiscardHandler)
	}
	tick := time.NewTicker(w.Every)
	defer tick.Stop()
	warned := make([]bool, len(Levels))
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

func (w Watch) judge(m host.Memory, warned []bool) {
	for i, level := range Levels {
		switch {
		case m.Percent() >= level && !warned[i]:
			warned[i] = true
			w.Warn(level, m)
		case m.Percent() < level-rearm:
			warned[i] = false
		}
	}
}
