package diagnose

import (
	"path/filepath"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// numeric are the exceptions in which a NaN shows up; with a NaN loss in the last
// epoch they are its consequence.
var numeric = re(`(?i)\bnan\b|\binf\b|infinite|non-finite|invalid (numeric|value)|degenerate|boxes1\[`)

// plainException reports the likeliest exception as it is: type, message and the
// last frame of the user's own file.
func (c *inquest) plainException() *contract.Failure {
	for _, x := range c.exceptions {
		if x.aside || victims.MatchString(x.text()) {
			continue
		}
		if c.lossWasNaN() && numeric.MatchString(x.text()) {
			return c.nanFailure().WithEvidence(x.quote()...)
		}
		return contract.Failf(contract.CodeTrainingFailed, "%s%s.", trimStop(x.short()), place(x)).
			WithHint("%s", pythonHint(x)).
			WithEvidence(x.quote()...).WithEvidence(c.gpuNotes()...).WithEvidence(c.memoryNotes()...)
	}
	return nil
}

// memoryNotes quotes kills that were not the cause.
func (c *inquest) memoryNotes() []string {
	if k := c.System.OOMKills; k != nil && *k > 0 {
		return []string{sprintf("the kernel killed %d other processes of the container for memory", *k)}
	}
	return nil
}

// lossWasNaN: the last finished epoch, or the one after it, had a NaN loss.
func (c *inquest) lossWasNaN() bool {
	n := len(c.NaNEpochs)
	return n > 0 && c.NaNEpochs[n-1] >= c.LastEpoch
}

func place(x exception) string {
	f, ok := x.where()
	if !ok {
		return ""
	}
	in := ""
	if f.fn != "" && f.fn != "<module>" {
		in = " in " + f.fn
	}
	return sprintf(" (%s, line %d%s)", filepath.Base(f.file), f.line, in)
}

// pythonHint is what to do about the common types.
func pythonHint(x exception) string {
	switch kind := x.kind[strings.LastIndexByte(x.kind, '.')+1:]; kind {
	case "ImportError":
		return "The image's packages do not fit together; check the versions in the trainer's requirements.txt."
	case "FileNotFoundError":
		return "Check the path: the dataset is at DATASET_DIR, weights at PRETRAINED_WEIGHTS, output goes to OUTPUT_DIR."
	case "PermissionError":
		return "Write below OUTPUT_DIR only; the dataset is read-only."
	case "SyntaxError", "IndentationError", "NameError", "AttributeError", "TypeError":
		return "Mend the training script, or pin the library version that it was written for."
	}
	return "The full traceback is in the log and in the evidence."
}
