package diagnose

import (
	"github.com/vision-platform/trainer-agent/contract"
)

// pair is a cause that takes two facts: an exception that alone says too little,
// and a line that explains it.
type pair struct {
	exception *pattern
	line      *pattern
	cause     cause // its expression is line
}

var pairs = []pair{
	{
		exception: re(`not enough values to unpack \(expected 3, got 0\)|No valid images found|labels? .*empty`),
		line:      re(`([^/\\\s]{1,100}): ignoring corrupt image/label: ([^\n]{1,200})`),
		cause: cause{
			code: contract.CodeDatasetInvalid, message: "The trainer could use no image of the dataset (${1}: ${2}).",
			hint: "Check the class list and the annotations.",
		},
	}, {
		exception: re(`Invalid CUDA 'device=`),
		line:      re(`torch\.cuda\.is_available\(\): False`),
		cause: cause{
			code: contract.CodeGPUError, message: "The training asked for a GPU, but the container has none that works.",
			hint: "Give the job a GPU, check the node's driver, or set DEVICE=cpu.", kind: contract.FailureSystem, final: true,
		},
	}, {
		exception: re(`Invalid CUDA 'device=`),
		line:      re(`Invalid CUDA 'device=[^']*' requested`),
		cause: cause{
			code: contract.CodeConfigInvalid, message: "The job asked for a GPU that is not there: ${0}.", hint: "Check DEVICE.",
		},
	},
}

// knownPair reads the whole tail, warnings included: they explain the exception.
func (c *inquest) knownPair() *contract.Failure {
	for _, p := range pairs {
		for _, x := range c.exceptions {
			if !p.exception.MatchString(x.text()) {
				continue
			}
			for _, l := range c.lines {
				if p.line.MatchString(l) {
					row := p.cause
					row.like = p.line
					return c.fail(row, l).WithEvidence(l).WithEvidence(x.quote()...)
				}
			}
		}
	}
	return nil
}
