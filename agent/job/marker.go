package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/atomicfile"
	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/contract"
)

// Marker is the run marker in a workspace: there while a run goes on, gone when
// the run has said how it ended. What the next run finds is the trace of one that
// was killed.
type Marker struct {
	path string
	mu   sync.Mutex
	mark mark
}

type mark struct {
	Started       contract.Timestamp `json:"started"`
	MemoryPercent int                `json:"memory_percent,omitempty"` // of the limit, the highest that was warned about
	MemoryLimit   int64              `json:"memory_limit,omitempty"`   // bytes
	Group         uint64             `json:"cgroup,omitempty"`         // host.Memory
	OOMKills      *int64             `json:"oom_kills,omitempty"`      // host.Memory, before this run
}

// PreviousRun is what is known of a run that was killed.
type PreviousRun struct {
	Started contract.Timestamp `json:"started"`
	Code    contract.Code      `json:"code"`
	Message string             `json:"message"`
}

// Mark reads the marker of an earlier run, nil when there is none, and leaves this
// run's in its place. The account is the cgroup's, now.
func Mark(path string, now time.Time, account host.Memory) (*Marker, *PreviousRun, error) {
	m := &Marker{path: path, mark: mark{Started: contract.At(now), Group: account.Group, OOMKills: account.OOMKills}}
	var earlier *PreviousRun
	b, err := os.ReadFile(path)
	switch {
	case err == nil:
		earlier = inquest(b, account)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("reading the run marker of an earlier run: %w", err)
	}
	return m, earlier, m.write()
}

// inquest says truly what is known: memory that was nearly full is a reason, and so
// are kills that the cgroup counted since, where it is still the same one; no sign at
// all is none.
func inquest(b []byte, account host.Memory) *PreviousRun {
	var m mark
	if json.Unmarshal(b, &m) != nil {
		return &PreviousRun{Code: contract.CodeInternal, Message: "The previous run in this workspace was killed while it wrote its run marker."}
	}
	p := &PreviousRun{Started: m.Started, Code: contract.CodeStopped,
		Message: "The previous run in this workspace was killed without a word: SIGKILL, or the loss of the machine."}
	kills, _ := account.KilledSince(host.Memory{Group: m.Group, OOMKills: m.OOMKills})
	switch {
	case m.MemoryPercent > 0:
		p.Code = contract.CodeHostOOM
		p.Message = fmt.Sprintf("The previous run in this workspace was killed when memory was at %d %% of %s or more: most likely the container ran out of memory. Use fewer workers or ask for more memory.",
			m.MemoryPercent, contract.Bytes(m.MemoryLimit))
	case kills > 0:
		p.Code = contract.CodeHostOOM
		p.Message = "The previous run in this workspace was killed, and the kernel killed for want of memory in its cgroup since it began: most likely the container ran out of memory. Use fewer workers or ask for more memory."
	}
	return p
}

// Memory notes a level that was reached: after the kernel has killed the whole
// container, it is all that remains to tell why.
func (m *Marker) Memory(percent int, limit int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if percent > m.mark.MemoryPercent {
		m.mark.MemoryPercent, m.mark.MemoryLimit = percent, limit
		_ = m.write() // the event says the same
	}
}

// write replaces the marker whole, and on disk.
func (m *Marker) write() error {
	b, err := json.Marshal(m.mark)
	if err != nil {
		return fmt.Errorf("marking the run: %w", err)
	}
	if err := atomicfile.Write(m.path, b, 0o600); err != nil {
		return fmt.Errorf("marking the run: %w", err)
	}
	return nil
}

// Remove takes the marker away: the run has said how it ended.
func (m *Marker) Remove() error {
	if err := os.Remove(m.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ending the run: %w", err)
	}
	return nil
}
