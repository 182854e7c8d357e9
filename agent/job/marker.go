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
	"github.com/vision-platform/trainer-agent/agent/internal/regular"
	"github.com/vision-platform/trainer-agent/contract"
)

// Marker is the run marker in a workspace: there while a run goes on, gone when
// the run has said how it ended. What the next run finds is the trace of one that
// was killed.
type Marker struct {
	path string
	mu   sync.Mutex
	mark mark
	gone bool // the watchers go on for a moment, and must not bring it back
}

// A mark is what is kept of a run, in the workspace and in the bucket.
type mark struct {
	Started       contract.Timestamp `json:"started"`
	Node          string             `json:"node,omitempty"`
	Phase         string             `json:"phase,omitempty"`
	Epoch         int                `json:"epoch,omitempty"`
	MemoryUsed    int64              `json:"memory_used,omitempty"`       // bytes, when it was looked at last
	MemoryPercent int                `json:"memory_percent,omitempty"`    // of the limit: the level that was warned about, until use fell again
	MemoryLimit   int64              `json:"memory_limit,omitempty"`      // bytes
	Group         uint64             `json:"cgroup,omitempty"`            // host.Memory
	OOMKills      *int64             `json:"oom_kills,omitempty"`         // host.Memory, before this run
	InARow        int                `json:"killed_for_memory,omitempty"` // runs just before this one that ended for want of memory
	Began         bool               `json:"training_began,omitempty"`    // in one of those
}

// Mark reads the marker of an earlier run, nil when there is none, and leaves this
// run's in its place. The account is the cgroup's, now.
func Mark(path, node string, now time.Time, account host.Memory) (*Marker, *PreviousRun, error) {
	m := &Marker{path: path, mark: mark{Started: contract.At(now), Node: node, Group: account.Group, OOMKills: account.OOMKills}}
	var earlier *PreviousRun
	b, err := regular.Read(path, maxMark)
	switch {
	case err == nil:
		earlier = inquest(b, account)
		m.mark.InARow, m.mark.Began = earlier.InARow, earlier.began
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, regular.ErrNot): // what a training put there is replaced
		return nil, nil, fmt.Errorf("reading the run marker of an earlier run: %w", err)
	}
	return m, earlier, m.write()
}

// Memory notes a level that was reached: after the kernel has killed the whole
// container, it is all that remains to tell why.
func (m *Marker) Memory(percent int, used, limit int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if percent > m.mark.MemoryPercent {
		m.mark.MemoryPercent, m.mark.MemoryUsed, m.mark.MemoryLimit = percent, used, limit
		_ = m.write() // the event says the same
	}
}

// Eased takes the level back: a run that is killed later was killed for another reason.
func (m *Marker) Eased() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mark.MemoryPercent = 0
	_ = m.write()
}

// After notes how many runs before this one ended for want of memory, and whether a
// training had begun in one of them.
func (m *Marker) After(earlier *PreviousRun) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mark.InARow, m.mark.Began = earlier.InARow, earlier.began
	_ = m.write()
}

// Now notes how far the run is, and returns the mark as it is then.
func (m *Marker) Now(v View, account host.Memory) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mark.Phase, m.mark.Epoch = v.Phase.Name, v.Epoch
	m.mark.MemoryUsed, m.mark.MemoryLimit = account.Used, account.Limit
	_ = m.write()
	b, _ := json.Marshal(m.mark) // plain fields
	return b
}

// write replaces the marker whole, and on disk.
func (m *Marker) write() error {
	if m.gone {
		return nil
	}
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
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = true
	if err := os.Remove(m.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ending the run: %w", err)
	}
	return nil
}
