package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// kernelAssert is what a CUDA kernel prints before every later call fails:
// "…/Loss.cu:250: nll_loss…: block: [0,0,0], thread: [3,0,0] Assertion `t >= 0 && t < n_classes` failed."
var (
	kernelAssert = pattern.Of("Assertion [`']?(.+?)['`]? failed")
	kernelPlace  = pattern.Of(`\.cuh?:\d+\b|block: \[`)
	assertError  = pattern.Of(`device-side assert triggered`)
	classIndex   = pattern.Of(`n_classes|cur_target|target_val`)
	anyIndex     = pattern.Of(`srcSelectDimSize|index out of bounds|idx_dim|\[idx\] <|-sizes\[|ind(ex)? (>=|<)`)
	zeroToOne    = pattern.Of(`input_val (>=|<=)|zero.*one`)
)

// deviceAssert: after a device-side assert the exception may name any CUDA call
// (cuBLAS and cuDNN included), so the kernel's own line goes first.
func deviceAssert(c findings) *contract.Failure {
	asserted, where := "", ""
	for _, l := range c.log.Lines {
		if m := kernelAssert.Groups(l.Text); m != nil && kernelPlace.Match(l.Text) {
			asserted, where = m[1], l.Text
			break
		}
	}
	if asserted == "" && !says(c, assertError) {
		return nil
	}
	what, hint := "a check inside a GPU kernel failed", "Run with CUDA_LAUNCH_BLOCKING=1, or on the CPU, to see where."
	switch {
	case classIndex.Match(asserted):
		what, hint = "a label's class index is not below the model's number of classes", "Check the class ids of the annotations and NUM_CLASSES."
	case anyIndex.Match(asserted):
		what, hint = "an index is out of range", "Check class ids and the sizes of embeddings; on the CPU the same run names the place."
	case zeroToOne.Match(asserted):
		what, hint = "a probability is not between 0 and 1, or NaN", "Check the labels, and lower the LEARNING_RATE{learning_rate}."
	}
	f := contract.Failf(contract.CodeTrainingFailed, "CUDA device-side assert: %s.", what).WithHint("%s", at(first(c))+fill(c.Settings, hint))
	if where != "" {
		f = f.WithEvidence(where)
	}
	return f.WithEvidence(quote(c)...).WithEvidence(gpuNotes(c.Evidence)...)
}
