package job

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/contract"
)

// PreviousRun is what is known of a run that was killed.
type PreviousRun struct {
	Started contract.Timestamp `json:"started"`
	Code    contract.Code      `json:"code"`
	Message string             `json:"message"`
	Node    string             `json:"node,omitempty"`
	Phase   string             `json:"phase,omitempty"`
	Epoch   int                `json:"epoch,omitempty"`             // completed
	InARow  int                `json:"killed_for_memory,omitempty"` // runs that ended for want of memory one after the other, this one included

	began bool // of one of those runs the training process had
}

// mostForMemory is how many runs of a job may end for want of memory one after the
// other. One may have had bad luck with its node; what the second does, all do.
const mostForMemory = 2

const (
	moreMemory    = "Ask for more memory, or use fewer workers or a smaller batch."
	lessToPrepare = "No training process had begun: ask for more memory, or use a dataset of fewer files and objects. Workers and batch size change nothing here."
)

// MemoryHint is how a job that memory killed in a phase gets on.
func MemoryHint(phase string) string {
	if beforeTraining(phase) {
		return lessToPrepare
	}
	return moreMemory
}

// inquest says truly what is known: memory that was nearly full is a reason, and so
// are kills that the cgroup counted since, where it is still the same one; no sign at
// all is none.
func inquest(b []byte, account host.Memory) *PreviousRun {
	var m mark
	if json.Unmarshal(b, &m) != nil {
		return &PreviousRun{Code: contract.CodeInternal, Message: "The previous run was killed while it wrote its run marker."}
	}
	p := &PreviousRun{Started: m.Started, Code: contract.CodeStopped, Node: m.Node, Phase: m.Phase, Epoch: m.Epoch}
	kills, _ := account.KilledSince(host.Memory{Group: m.Group, OOMKills: m.OOMKills})
	switch {
	case m.MemoryPercent > 0:
		p.Code = contract.CodeHostOOM
		p.Message = fmt.Sprintf("The previous run was killed%s when memory was at %d %% of %s or more: most likely the container ran out of memory. %s",
			p.where(), m.MemoryPercent, contract.Bytes(m.MemoryLimit), MemoryHint(m.Phase))
	case kills > 0:
		p.Code = contract.CodeHostOOM
		p.Message = fmt.Sprintf("The previous run was killed%s, and the kernel killed for want of memory in its cgroup since it began: most likely the container ran out of memory. %s",
			p.where(), MemoryHint(m.Phase))
	default:
		p.Message = fmt.Sprintf("The previous run was killed%s without a word: SIGKILL, or the loss of the machine.%s", p.where(), m.memory())
	}
	if p.Code == contract.CodeHostOOM {
		p.InARow = max(m.InARow, 0) + 1
		p.began = m.Began && m.InARow > 0 || !beforeTraining(m.Phase)
	}
	return p
}

// where is how far the run was, and on which node.
func (p *PreviousRun) where() string {
	var parts []string
	if p.Phase != "" {
		parts = append(parts, "phase "+p.Phase)
	}
	if p.Epoch > 0 {
		parts = append(parts, fmt.Sprintf("after epoch %d", p.Epoch))
	}
	if p.Node != "" {
		parts = append(parts, "node "+p.Node)
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// memory is the last figure: a container that fills faster than it is watched leaves
// no other.
func (m mark) memory() string {
	if m.MemoryUsed <= 0 || m.MemoryLimit <= 0 {
		return ""
	}
	return fmt.Sprintf(" Memory was at %s of %s when it was looked at last.", contract.Bytes(m.MemoryUsed), contract.Bytes(m.MemoryLimit))
}

// hopeless ends a job that memory has killed again and again, nil for any other.
func (p *PreviousRun) hopeless() error {
	if p == nil || p.InARow < mostForMemory {
		return nil
	}
	if !p.began {
		return contract.Failf(contract.CodeHostOOM, "%d runs of this job in a row were killed when memory was full while they prepared its inputs, so it is not run again.", p.InARow).
			WithHint("%s", lessToPrepare).WithEvidence(p.Message)
	}
	return contract.Failf(contract.CodeHostOOM, "%d runs of this job in a row were killed when memory was full, so it is not run again.", p.InARow).
		WithHint("%s Started again with more, it resumes from its last checkpoint.", moreMemory).WithEvidence(p.Message)
}
