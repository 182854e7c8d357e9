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
