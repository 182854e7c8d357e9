package diagnose

import (
	"github.com/vision-platform/trainer-agent/contract"
)

// kernelAssert is what a CUDA kernel prints before every later call fails:
// "…/Loss.cu:250: nll_loss…: block: [0,0,0], thread: [3,0,0] Assertion `t >= 0 && t < n_classes` failed."
var (
	kernelAssert = re("Assertion [`']?(.+?)['`]? failed")
	kernelPlace  = re(`\.cuh?:\d+:|block: \[`)
	assertError  = re(`device-side assert triggered`)
	classIndex   = re(`n_classes|cur_target|target_val`)
	anyIndex     = re(`srcSelectDimSize|index out of bounds|idx_dim|-sizes\[|ind(ex)? (>=|<)`)
	zeroToOne    = re(`input_val (>=|<=)|zero.*one`)
)

// deviceAssert: after a device-side assert the exception may name any CUDA call
// (cuBLAS and cuDNN included), so the kernel's own line goes first.
func (c *inquest) deviceAssert() *contract.Failure {
	asserted, where := "", ""
	for _, l := range c.lines {
		if m := kernelAssert.FindStringSubmatch(l); m != nil && kernelPlace.MatchString(l) {
			asserted, where = m[1], l
			break
		}
	}
	if asserted == "" && !c.says(assertError) {
		return nil
	}
	what, hint := "a check inside a GPU kernel failed", "Run with CUDA_LAUNCH_BLOCKING=1, or on the CPU, to see where."
	switch {
	case classIndex.MatchString(asserted):
		what, hint = "a label's class index is not below the model's number of classes", "Check the class ids of the annotations and NUM_CLASSES."
	case anyIndex.MatchString(asserted):
		what, hint = "an index is out of range", "Check class ids and the sizes of embeddings; on the CPU the same run names the place."
	case zeroToOne.MatchString(asserted):
		what, hint = "a probability is not between 0 and 1, or NaN", "Check the labels, and lower the learning_rate{learning_rate}."
	}
	f := contract.Failf(contract.CodeTrainingFailed, "CUDA device-side assert: %s.", what).WithHint("%s", c.Settings.fill(hint))
	if where != "" {
		f = f.WithEvidence(where)
	}
	return f.WithEvidence(c.quote()...).WithEvidence(c.gpuNotes()...)
}
