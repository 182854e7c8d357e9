package diagnose

import (
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// kinds are the jobs whose script trains nothing: the code of a failure that has no
// better one, and what the script and its work are called.
var kinds = map[contract.JobType]struct {
	code         contract.Code
	script, work string
}{
	contract.JobInference: {contract.CodeInferenceFailed, "The prediction script", "The inference"},
	contract.JobExport:    {contract.CodeExportFailed, "The export script", "The export"},
}

// ofKind says of a failure what it is a failure of: the rules know one script.
func ofKind(t contract.JobType, f *contract.Failure) *contract.Failure {
	kind, other := kinds[t]
	if !other {
		return f
	}
	if f.Code == contract.CodeTrainingFailed {
		f.Code = kind.code
	}
	if rest, ours := strings.CutPrefix(f.Message, "The training script"); ours {
		f.Message = kind.script + rest
	} else if rest, ours := strings.CutPrefix(f.Message, "The training "); ours {
		f.Message = kind.work + " " + rest
	}
	return f
}
