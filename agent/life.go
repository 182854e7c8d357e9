package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/contract"
)

// life is the mark of a run in its workspace: there while it runs, gone when it
// ended with its own words. What the next run finds is the trace of one that was
// killed.
type life struct {
	path string
	mu   sync.Mutex
	mark lifeMark
}

type lifeMark struct {
	Started       contract.Timestamp `json:"started"`
	MemoryPercent int                `json:"memory_percent,omitempty"` // of the limit, the highest that was warned about
	MemoryLimit   int64              `json:"memory_limit,omitempty"`   // bytes
	Group         uint64             `json:"cgroup,omitempty"`         // whose memory it shares, process.Memory
	OOMKills      *int64             `json:"oom_kills,omitempty"`      // in that cgroup before this run
}

// previousRun is what is known of a run that was killed.
type previousRun struct {
	Started contract.Timestamp `json:"started"`
	Code    contract.Code      `json:"code"`
	Message string             `json:"message"`
}

// begin reads the mark of an earlier run and makes this run's. The account is the
// cgroup's, now.
func begin(path string, now time.Time, account process.Memory) (*life, *previousRun, error) {
	l := &life{path: path, mark: lifeMark{Started: contract.At(now), Group: account.Group, OOMKills: account.OOMKills}}
	var earlier *previousRun
	b, err := os.ReadFile(path)
	switch {
	case err == nil:
		earlier = inquest(b, account)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("reading the mark of an earlier run: %w", err)
	}
	return l, earlier, l.write()
}

// inquest says truly what is known: memory that was nearly full is a reason, and so
// are kills that the cgroup counted since, where it is still the same one; no sign at
// all is none.
func inquest(b []byte, account process.Memory) *previousRun {
	var m lifeMark
	if json.Unmarshal(b, &m) != nil {
		return &previousRun{Code: contract.CodeInternal, Message: "The previous run in this workspace was killed while it wrote its mark."}
	}
	p := &previousRun{Started: m.Started, Code: contract.CodeStopped,
		Message: "The previous run in this workspace was killed without a word: SIGKILL, or the loss of the machine."}
	kills, _ := account.KilledSince(process.Memory{Group: m.Group, OOMKills: m.OOMKills})
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

// memory notes a level that was reached.
func (l *life) memory(percent int, limit int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if percent > l.mark.MemoryPercent {
		l.mark.MemoryPercent, l.mark.MemoryLimit = percent, limit
		_ = l.write() // the event says the same
	}
}

// write replaces the mark whole, and on disk.
func (l *life) write() error {
	b, err := json.Marshal(l.mark)
	if err != nil {
		return fmt.Errorf("marking the run: %w", err)
	}
	f, err := os.Create(l.path + ".partial")
	if err != nil {
		return fmt.Errorf("marking the run: %w", err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), l.path)
	}
	if err != nil {
		return fmt.Errorf("marking the run: %w", err)
	}
	return nil
}

// end takes the mark away.
func (l *life) end() error {
	if err := os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ending the run: %w", err)
	}
	return nil
}
