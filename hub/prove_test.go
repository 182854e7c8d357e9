package hub

import (
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// A scanner that is missing is the hub's fault; a file that is too large for it is the
// author's, who can leave it out: three tries would end the same.
func TestWhoseFaultItIs(t *testing.T) {
	for name, c := range map[string]struct {
		found contract.Finding
		ours  bool
	}{
		"a scanner is missing":    {contract.Finding{Rule: "unscanned.malware"}, true},
		"this machine is full":    {contract.Finding{Rule: "machine.failed"}, true},
		"a file is too large":     {contract.Finding{Rule: "unscanned.secrets", File: "weights.bin"}, false},
		"a secret":                {contract.Finding{Rule: "secret.aws-access-token", File: "train.py"}, false},
		"the training is no good": {contract.Finding{Rule: "training.no-done", File: "train.py"}, false},
	} {
		c.found.Severity = contract.SeverityError
		reports := []contract.StepReport{{Name: "security", Status: contract.StepFailed, Findings: []contract.Finding{c.found}}}
		if err := ours(reports); (err != nil) != c.ours || refused(reports) == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
