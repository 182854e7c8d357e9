package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

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
	Group         uint64             `json:"cgroup,omitempty"`         // Account.Group
	OOMKills      *int64             `json:"oom_kills,omitempty"`      // Account.OOMKills before this run
}

// Account is what the kernel counts for the cgroup that agent and child share.
type Account struct {
	Group    uint64 // which cgroup it is: a number that no other has while the machine runs; 0 = not known
	OOMKills *int64 // processes that the kernel killed in it for want of memory, ever; nil = not known
}

// killedSince is how many processes the kernel killed between two readings; 0 as
// well when that cannot be known: a reading of another cgroup says nothing.
func (a Account) killedSince(before Account) int64 {
	if a.OOMKills == nil || before.OOMKills == nil || a.Group != before.Group {
		return 0
	}
	return *a.OOMKills - *before.OOMKills
}

// PreviousRun is what is known of a run that was killed.
type PreviousRun struct {
	Started contract.Timestamp `json:"started"`
	Code    contract.Code      `json:"code"`
	Message string             `json:"message"`
}

// Mark reads the marker of an earlier run, nil when there is none, and leaves this
// run's in its place. The account is the cgroup's, now.
func Mark(path string, now time.Time, account Account) (*Marker, *PreviousRun, error) {
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
func inquest(b []byte, account Account) *PreviousRun {
	var m mark
	if json.Unmarshal(b, &m) != nil {
		return &PreviousRun{Code: contract.CodeInternal, Message: "The previous run in this workspace was killed while it wrote its run marker."}
	}
	p := &PreviousRun{Started: m.Started, Code: contract.CodeStopped,
		Message: "The previous run in this workspace was killed without a word: SIGKILL, or the loss of the machine."}
	switch {
	case m.MemoryPercent > 0:
		p.Code = contract.CodeHostOOM
		p.Message = fmt.Sprintf("The previous run in this workspace was killed when memory was at %d %% of %s or more: most likely the container ran out of memory. Use fewer workers or ask for more memory.",
			m.MemoryPercent, contract.Bytes(m.MemoryLimit))
	case account.killedSince(Account{m.Group, m.OOMKills}) > 0:
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
	f, err := os.Create(m.path + ".partial")
	if err != nil {
		return fmt.Errorf("marking the run: %w", err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), m.path)
	}
	if err != nil {
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
