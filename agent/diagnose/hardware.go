package diagnose

import (
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// lookBack is how far before the end a GPU fault may be the cause: an NCCL
// timeout names its victim up to half an hour later.
const lookBack = 35 * time.Minute

// hardware: the probe saw a GPU fail while the child ran.
func hardware(c findings) (*contract.Failure, bool) { return found(gpuFailure(c, endsTraining)) }

// endsTraining are the faults that no training survives. A driver that does not
// answer the probe, or a row that could not be replaced, is quoted but explains
// no crash of its own; it does explain a hang.
func endsTraining(kind contract.GPUFaultKind) bool {
	return kind != contract.GPUDriver && kind != contract.GPURemapFailed
}

func anyFault(contract.GPUFaultKind) bool { return true }

// gpuFailure makes a failure of the first fatal fault within the look-back.
func gpuFailure(c findings, explains func(contract.GPUFaultKind) bool) *contract.Failure {
	for _, fault := range c.GPU.Faults {
		if fault.Fatal && explains(fault.Kind) && !tooEarly(c.Evidence, fault) {
			return gpuFault(c, fault)
		}
	}
	return nil
}

// tooEarly: XIDs after the child's exit are left out by agent/monitor/gpu already.
func tooEarly(e Evidence, fault contract.GPUFault) bool {
	return !e.Ended.IsZero() && e.Ended.Sub(fault.Time) > lookBack
}

func gpuFault(c findings, fault contract.GPUFault) *contract.Failure {
	code := contract.CodeGPUError
	if fault.Kind == contract.GPULost || fault.Kind == contract.GPUMissing {
		code = contract.CodeGPULost
	}
	f := contract.Failf(code, "%s %s.", trimStop(fault.Message), ago(c.Evidence, fault.Time)).
		WithHint("Run again on another machine.")
	for _, x := range c.GPU.Faults {
		f = f.WithEvidence(sprintf("%s %s", x.Time.UTC().Format(time.RFC3339), x.Message))
	}
	return f.WithEvidence(quote(c)...)
}

// gpuNotes quotes what the probe saw beside an exception: XID 31 tells the same
// story as an illegal memory access, a silent driver may tell more.
func gpuNotes(e Evidence) []string {
	var notes []string
	for _, fault := range e.GPU.Faults {
		if (fault.XID > 0 || fault.Fatal) && !tooEarly(e, fault) {
			notes = append(notes, sprintf("%s %s", fault.Time.UTC().Format(time.RFC3339), fault.Message))
		}
	}
	return notes
}
