package diagnose

import (
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/logtext"
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// cause is one row of the table: a fact that a failing framework prints, and what
// it means for the person who pays.
type cause struct {
	code     contract.Code
	like     *pattern.Pattern     // a fact in an exception's text or, without an exception, in a line
	stack    *pattern.Pattern     // must be in the traceback too, when given
	names    *pattern.Pattern     // captures the file or variable in the traceback or a line, where one tells it
	unless   *pattern.Pattern     // must not be in the text or the traceback, when given
	without  *pattern.Pattern     // must not be in the text, when given
	message  string               // "${name}" is what the expression captured, "{short}" the exception
	hint     string               // "{batch_size}" is the job's setting
	kind     contract.FailureType // in place of the code's own type, "" to keep it
	inferred bool                 // a bus error only suggests shared memory: an account that was read may contradict it
	raised   bool                 // too general for a plain line: an exception must say it
	needsGPU bool                 // only where the job asked for one can it be missing
}

// inputCauses are faults of what the job was given: dataset, weights, settings, script and
// image, in the words of a library that is known by them.
var inputCauses = slices.Concat(lossCauses, imageCauses, environCauses, annotationCauses, weightsCauses, argumentCauses, packageCauses)

// excepted are the tables in which exceptions are looked up: the machine's faults first, and
// what says more before what says less.
var excepted = [][]cause{machineCauses, inputCauses, settingsCauses, datasetCauses, missingCauses}

// causesInLog looks for a known cause in the exceptions that ended the child,
// then reports the exception itself, then looks for known causes in plain lines.
func causesInLog(c findings) (*contract.Failure, bool) {
	for _, look := range []func(findings) *contract.Failure{deviceAssert, knownPair, knownException, plainException, knownLine, partingWords} {
		if f := look(c); f != nil {
			return f, true
		}
	}
	return nil, false
}

// knownException prefers the machine's faults: of several ranks one may run out of
// memory and the others trip over its loss.
func knownException(c findings) *contract.Failure {
	for _, table := range excepted {
		for _, x := range c.exceptions {
			if x.Aside && others(c) {
				continue // a thread's trouble is no reason where the process itself names one
			}
			if f := match(c, table, x); f != nil {
				return f
			}
		}
	}
	return nil
}

// others: an exception of the process itself is known.
func others(c findings) bool { return !c.exceptions[0].Aside && !lost(c.exceptions[0]) }

// match tries the exception's own text with every row before the texts of the
// exceptions that it came from.
func match(c findings, table []cause, x logtext.Exception) *contract.Failure {
	stack := x.Stack()
	for _, y := range append([]logtext.Exception{x}, x.Causes...) {
		for _, row := range table {
			if row.fits(c.Settings, y.Text(), stack) {
				return fail(c, row, y.Text(), &x).WithEvidence(quoteOf(x)...).WithEvidence(gpuNotes(c.Evidence)...)
			}
		}
	}
	return nil
}

func (row cause) fits(s Settings, text, stack string) bool {
	return row.like.Match(text) &&
		(row.stack == nil || row.stack.Match(stack)) &&
		(row.unless == nil || !row.unless.Match(text) && !row.unless.Match(stack)) &&
		(row.without == nil || !row.without.Match(text)) &&
		(!row.needsGPU || !strings.EqualFold(s.Device, "cpu"))
}

func knownLine(c findings) *contract.Failure {
	for _, table := range [][]cause{machineCauses, inputCauses, lineCauses} {
		for _, row := range table {
			if row.raised {
				continue
			}
			if l, ok := c.log.Says(row.like, c.patience); ok && row.fits(c.Settings, l, l) {
				said := c.log.WithNext(l)
				if !row.like.Match(said) { // the fact was the line's end
					said = l
				}
				return fail(c, row, said, nil).WithEvidence(l).WithEvidence(c.log.Last(10)...).WithEvidence(gpuNotes(c.Evidence)...)
			}
		}
	}
	return nil
}

// goesOnWithout: a sentence about what is not there, of a script that went on without it.
var goesOnWithout = pattern.Of(`(?i)\b(?:using|on|to) (?:the )?cpu\b|fall(?:s|ing)? back|instead\b|skipp|ignor|disabl|default`)

// partingWords: sys.exit("…") leaves a sentence for its reason, and code 1. So does a
// script that logs an error and leaves.
func partingWords(c findings) *contract.Failure {
	if len(c.exceptions) > 0 || c.signal != "" {
		return nil
	}
	last := c.log.LastSaid()
	if c.log.Launch.Exit == 1 {
		last = c.log.Launch.Before
	}
	if c.ExitCode == 1 && !goesOnWithout.Match(last) && !logtext.Warns(last) {
		if f := sentence(c, logtext.Exception{Message: last, Block: []string{last}}); f != nil {
			return f
		}
	}
	if l, ok := c.log.Says(loggedError, c.patience); ok && !goesOnWithout.Match(l) {
		return sentence(c, logtext.Exception{Kind: "Error", Message: loggedError.Groups(l)[1], Block: []string{l}})
	}
	return nil
}

// loggedError is a line at the level of an error, with what follows the level.
var loggedError = pattern.Of(`^(?:[^\sA-Za-z]\S*\s+){0,3}\W*(?:(?:[\w.]+ ?[-:|] ?)?(?:ERROR|Error|error|FATAL|Fatal|fatal|CRITICAL))\b[\]\s:|-]+(\S.*)$`)

// sentence looks what a program said up as if an exception had said it.
func sentence(c findings, said logtext.Exception) *contract.Failure {
	for _, table := range excepted {
		if f := match(c, table, said); f != nil {
			return f
		}
	}
	return nil
}

// about names the file or the variable, where the traceback or a line before it does.
func about(c findings, row cause, x logtext.Exception) string {
	if row.names == nil {
		return ""
	}
	m := row.names.Groups(x.Stack())
	if m == nil {
		if l, ok := c.log.Mentions(row.names); ok {
			m = row.names.Groups(l)
		}
	}
	if m == nil {
		return ""
	}
	return sprintf("It is about %s. ", clip(m[1]))
}

// fail fills a row with what its expression captured. x is nil for a plain line.
func fail(c findings, row cause, text string, x *logtext.Exception) *contract.Failure {
	if row.code == contract.CodeNaNLoss {
		return nanFailure(c, x)
	}
	if row.inferred && shmWasEmpty(c.System.Shm) {
		return contract.Failf(contract.CodeTrainingFailed, "A data loader worker died of a bus error, but /dev/shm was not full (peak %s of %s).",
			contract.Bytes(c.System.Shm.PeakBytes), contract.Bytes(c.System.Shm.TotalBytes)).
			WithHint("Run once with NUM_WORKERS=0 to see the worker's own error.")
	}
	short, where := trimStop(text), ""
	if x != nil {
		short, where = trimStop(x.Short()), at(*x)+about(c, row, *x)
	}
	said := row.like.Expand(text, fill(c.Settings, row.message), fill(c.Settings, row.hint))
	message := strings.ReplaceAll(strings.ReplaceAll(said[0], "\n", " "), "{short}", clip(short))
	return as(contract.Failf(row.code, "%s", message).WithHint("%s%s", where, said[1]), row.kind)
}
