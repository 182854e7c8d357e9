package diagnose

import (
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestAFailureIsOneOfTheJobsKind(t *testing.T) {
	for kind, want := range map[contract.JobType]contract.Code{
		contract.JobTraining: contract.CodeTrainingFailed, contract.JobInference: contract.CodeInferenceFailed, contract.JobExport: contract.CodeExportFailed,
	} {
		f := Diagnose(Evidence{JobType: kind, Started: time.Unix(1, 0), Ended: time.Unix(2, 0), ExitCode: 3})
		if f == nil || f.Code != want || (kind != contract.JobTraining) == strings.Contains(f.Message, "training") {
			t.Errorf("%s: %+v", kind, f)
		}
	}
}

// Fewer checkpoints are no help where none are written.
func TestWhatHelpsOnAFullDiskIsOfTheJobsKind(t *testing.T) {
	for kind, want := range map[contract.JobType]string{
		contract.JobTraining: "(CHECKPOINT_FREQUENCY).", contract.JobInference: "(SAVE_VISUALIZATIONS=false).", contract.JobExport: "Ask for a larger disk.",
	} {
		f := Diagnose(Evidence{JobType: kind, Started: time.Unix(1, 0), Ended: time.Unix(2, 0), ExitCode: 1, LogTail: []string{"OSError: [Errno 28] No space left on device"}})
		if f == nil || f.Code != contract.CodeDiskFull || !strings.HasSuffix(f.Hint, want) {
			t.Errorf("%s: %+v", kind, f)
		}
	}
}

func TestATestRunWithoutMetricsIsNoSuccess(t *testing.T) {
	for name, c := range map[string]struct {
		said *Report
		code contract.Code // "" is a success
	}{
		"with metrics":    {&Report{Status: contract.StatusSucceeded, Measured: true}, ""},
		"without metrics": {&Report{Status: contract.StatusSucceeded}, contract.CodeInferenceFailed},
		"without a word":  {nil, contract.CodeInferenceFailed},
	} {
		e := Evidence{JobType: contract.JobInference, Measures: true, Checkpoints: 1, ChildDone: c.said, Started: time.Unix(1, 0), Ended: time.Unix(2, 0)}
		f := Diagnose(e)
		if (f == nil) != (c.code == "") || f != nil && (f.Code != c.code || !strings.Contains(f.Message, "metrics")) {
			t.Errorf("%s: %+v", name, f)
		}
		if e.Measures = false; Diagnose(e) != nil {
			t.Errorf("%s: an inference job measures nothing", name)
		}
	}
}
