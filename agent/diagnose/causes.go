package diagnose

import (
	"github.com/vision-platform/trainer-agent/contract"
)

// cause is one row of the table: a fact that a failing framework prints, and what
// it means for the person who pays.
type cause struct {
	code     contract.Code
	like     *pattern             // a fact in an exception's text or, without an exception, in a line
	message  string               // "${name}" is what the expression captured
	hint     string               // "{batch_size}" is the job's setting
	kind     contract.FailureType // in place of the code's own type, "" to keep it
	inferred bool                 // a bus error only suggests shared memory: an account that was read may contradict it
	final    bool                 // running it again on the platform cannot help, whatever the code says
}

// causesInLog looks for a known cause in the exceptions that ended the child,
// then reports the exception itself, then looks for known causes in plain lines.
func causesInLog(c *inquest) (*contract.Failure, bool) {
	if f := c.deviceAssert(); f != nil {
		return found(f)
	}
	if f := c.knownPair(); f != nil {
		return found(f)
	}
	if f := c.knownException(); f != nil {
		return found(f)
	}
	if f := c.plainException(); f != nil {
		return found(f)
	}
	return found(c.knownLine())
}

func (c *inquest) knownException() *contract.Failure {
	for _, table := range [][]cause{machineCauses, inputCauses} {
		for _, x := range c.exceptions {
			if f := c.match(table, x); f != nil {
				return f
			}
		}
	}
	return nil
}

// match tries the exception's own text with every row before the texts of the
// exceptions that it came from.
func (c *inquest) match(table []cause, x exception) *contract.Failure {
	for _, y := range append([]exception{x}, x.causes...) {
		for _, row := range table {
			if row.like.MatchString(y.text()) {
				return c.fail(row, y.text()).WithEvidence(x.quote()...).WithEvidence(c.gpuNotes()...)
			}
		}
	}
	return nil
}

func (c *inquest) knownLine() *contract.Failure {
	for _, table := range [][]cause{machineCauses, inputCauses, lineCauses} {
		for _, row := range table {
			if l, ok := c.lineLike(row.like); ok {
				return c.fail(row, l).WithEvidence(l).WithEvidence(last(c.lines, 10)...).WithEvidence(c.gpuNotes()...)
			}
		}
	}
	return nil
}

// fail fills a row with what its expression captured.
func (c *inquest) fail(row cause, text string) *contract.Failure {
	at := row.like.FindStringSubmatchIndex(text)
	message := string(row.like.ExpandString(nil, row.message, text, at))
	hint := string(row.like.ExpandString(nil, row.hint, text, at))
	f := contract.Failf(row.code, "%s", c.Settings.fill(message)).WithHint("%s", c.Settings.fill(hint))
	if row.kind != "" {
		f.Type = row.kind
	}
	if row.final {
		f.Retryable = false
	}
	if row.code == contract.CodeNaNLoss {
		return c.nanFailure()
	}
	if row.inferred && c.shmWasEmpty() {
		return contract.Failf(contract.CodeTrainingFailed, "A data loader worker died of a bus error, but /dev/shm was not full (peak %s of %s).",
			contract.Bytes(c.System.Shm.PeakBytes), contract.Bytes(c.System.Shm.TotalBytes)).
			WithHint("Run once with NUM_WORKERS=0 to see the worker's own error.")
	}
	return f
}
