package diagnose

import (
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// kinds are the jobs whose script trains nothing: the code of a failure that has no
// better one, what the script and its work are called, and what helps when time or disk run out.
var kinds = map[contract.JobType]struct {
	code         contract.Code
	script, work string
	shorter      string // what makes it end sooner
	disk         string
}{
	contract.JobInference: {contract.CodeInferenceFailed, "The prediction script", "The inference", "give fewer images or a smaller model", "Ask for a larger disk, or save no drawings (SAVE_VISUALIZATIONS=false)."},
	contract.JobExport:    {contract.CodeExportFailed, "The export script", "The export", "set a smaller INPUT_SIZE, or ENABLE_VALIDATION=false", "Ask for a larger disk."},
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
	} else if rest, ours := strings.CutPrefix(f.Message, "Training "); ours {
		f.Message = kind.work + " " + rest
	}
	f.Hint = strings.Replace(f.Hint, diskHint, kind.disk, 1)
	return f
}

// shorter says how a job of this kind ends before its time is over.
func shorter(t contract.JobType) string {
	if kind, other := kinds[t]; other {
		return kind.shorter
	}
	return "train fewer epochs, smaller images or a smaller model"
}
