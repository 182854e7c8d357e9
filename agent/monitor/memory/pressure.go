package memory

import (
	"fmt"
	"log/slog"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// Notes is what is left behind while memory is nearly full.
type Notes interface {
	Full(level int, m host.Memory)
	Eased()
}

// Watching warns while there is still somebody to do so: where the kernel kills the
// whole container for want of memory (memory.oom.group), what the notes leave is all
// that remains.
func Watching(read func() (host.Memory, error), events *job.Events, notes Notes, log *slog.Logger) *stage.Background {
	warn := func(level int, m host.Memory) {
		notes.Full(level, m)
		events.Emit(contract.EventResourceWarning,
			fmt.Sprintf("Memory is at %d %% of %s: the kernel kills the training when it is full. Use fewer workers or ask for more memory.", level, contract.Bytes(m.Limit)),
			map[string]any{"resource": "memory", "used_bytes": m.Used, "limit_bytes": m.Limit, "percent": level})
	}
	return &stage.Background{Run: Watch{Read: read, Warn: warn, Eased: notes.Eased, Log: log}.Run}
}
