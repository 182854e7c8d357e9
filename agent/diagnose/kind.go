package diagnose

import (
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// kinds are the jobs whose script trains nothing: the code of a failure that has no
// better one, what the script and its work are called, and what helps on a full disk.
var kinds = map[contract.JobType]struct {
	code         contract.Code
	script, work string
	disk         string
}{
	contract.JobInference: {contract.CodeInferenceFailed, "The prediction script", "The inference", "Ask for a larger disk, or save no drawings (SAVE_VISUALIZATIONS=false)."},
	contract.JobExport:    {contract.CodeExportFailed, "The export script", "The export", "Ask for a larger disk."},
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
	f.Hint = strings.Replace(f.Hint, diskHint, kind.disk, 1)
	return f
}
