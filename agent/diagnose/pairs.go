package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// pair is a cause that takes two facts: an exception that alone says too little,
// and a line that explains it.
type pair struct {
	exception *pattern.Pattern
	line      *pattern.Pattern
	cause     cause // its expression is line
}

var pairs = []pair{
	{
		exception: pattern.Of(`not enough values to unpack \(expected 3, got 0\)|No valid images found|labels? .*empty`),
		line:      pattern.Of(`([^/\\\s]{1,100}): ignoring corrupt image/label: ([^\n]{1,200})`),
		cause: cause{
			code: contract.CodeDatasetInvalid, message: "The trainer could use no image of the dataset (${1}: ${2}).",
			hint: "Check the class list and the annotations.",
		},
	}, {
		exception: pattern.Of(`Invalid CUDA 'device=`),
		line:      pattern.Of(`torch\.cuda\.is_available\(\): False`),
		cause: cause{
			code: contract.CodeGPUError, message: "The training asked for a GPU, but the container has none that works.",
			hint: "Give the job a GPU, check the node's driver, or set DEVICE=cpu.", kind: contract.FailureSystem, needsGPU: true,
		},
	}, {
		exception: pattern.Of(`Invalid CUDA 'device=`),
		line:      pattern.Of(`Invalid CUDA 'device=[^']*' requested`),
		cause: cause{
			code: contract.CodeConfigInvalid, message: "The job asked for a GPU that is not there: ${0}.", hint: "Check DEVICE.",
		},
	},
}

// knownPair reads the whole tail, warnings included: they explain the exception.
func knownPair(c findings) *contract.Failure {
	for _, p := range pairs {
		for _, x := range c.exceptions {
			if !p.exception.Match(x.Text()) {
				continue
			}
			row := p.cause
			row.like = p.line
			if l, ok := c.log.Mentions(p.line); ok && row.fits(c.Settings, l, l) {
				return fail(c, row, l, &x).WithEvidence(l).WithEvidence(quoteOf(x)...)
			}
		}
	}
	return nil
}
