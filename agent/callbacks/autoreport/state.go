package autoreport

import (
	"encoding/json"

	"github.com/vision-platform/trainer-agent/agent/internal/atomicfile"
	"github.com/vision-platform/trainer-agent/agent/internal/regular"
)

// state is what was reported, kept across restarts of the agent.
type state struct {
	Group    string         `json:"group,omitempty"` // the run that is reported
	Reported map[string]int `json:"reported"`        // group → its last reported epoch, or the last one that was there before
	Speaks   bool           `json:"speaks"`          // the child reports itself (the law, 1)
	Silent   bool           `json:"silent"`          // the child let an epoch pass (the law, 3)
}

const maxState = 1 << 20 // bytes; maxSources paths are less

// loadState reads the state. A file that is not there or not readable means that
// nothing is known: the run begins.
func loadState(path string) (s state, known bool) {
	b, err := regular.Read(path, maxState)
	known = err == nil && json.Unmarshal(b, &s) == nil
	if s.Reported == nil {
		s.Reported = map[string]int{}
	}
	return s, known
}

func (s *state) report(group string, epoch int) {
	s.Reported[group] = max(s.Reported[group], epoch)
}

// save replaces the file in one step.
func (s *state) save(path string) error {
	if path == "" {
		return nil
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, b, 0o600)
}
