package diagnose

import (
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// maxEvidence bounds the lines quoted in a failure, and maxLine each of them.
const (
	maxEvidence = 40
	maxLine     = 500 // bytes
)

// rule is one step of the order: a pure function of the findings. done without a
// failure means success.
type rule struct {
	name string
	try  func(c findings) (f *contract.Failure, done bool)
}

// order is the diagnosis order of the GPU specification: the first rule that
// finds something ends it.
var order = []rule{
	{"no child was started", preparation},
	{"our own stop", ownStop},
	{"exit 0", exitZero},
	{"hardware", hardware},
	{"kernel accounts", accounts},
	{"causes in the log", causesInLog},
	{"other machines", otherNodes},
	{"symptoms", symptoms},
	{"the trainer's own report", ownReport},
	{"bare signal or code", bareEnding},
}

// Diagnose finds the one cause of a run's end. It returns nil when the job
// succeeded.
func Diagnose(e Evidence) *contract.Failure {
	c := read(e)
	for _, r := range order {
		f, done := r.try(c)
		if f != nil {
			return seal(drain(ofKind(e.JobType, f), e.Settings.Node))
		}
		if done {
			return nil
		}
	}
	return nil // not reached: the last rule always answers
}

// drain names the node that a GPU fault concerns: the next job there would fail too.
func drain(f *contract.Failure, node string) *contract.Failure {
	const elsewhere = "Run again on another machine."
	if hardware := f.Code == contract.CodeGPULost || f.Code == contract.CodeGPUError; hardware && node != "" && strings.Contains(f.Hint, elsewhere) {
		f.Hint = strings.Replace(f.Hint, elsewhere, "Drain the node "+node+" and run again on another machine.", 1)
	}
	return f
}

// found is a rule's answer when it found the cause.
func found(f *contract.Failure) (*contract.Failure, bool) { return f, f != nil }

// seal bounds the evidence and makes sure that it is a list.
func seal(f *contract.Failure) *contract.Failure {
	if f.Evidence == nil {
		f.Evidence = []string{}
	}
	if len(f.Evidence) > maxEvidence {
		f.Evidence = f.Evidence[:maxEvidence]
	}
	for i, line := range f.Evidence {
		f.Evidence[i] = clip(line)
	}
	f.Message, f.Hint = clip(f.Message), clip(f.Hint)
	return f
}
