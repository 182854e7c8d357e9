package cluster

import (
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestAMemberEndsAsNode0Says(t *testing.T) {
	oom := contract.Failf(contract.CodeCUDAOOM, "Out of GPU memory.")
	lost := contract.Failf(contract.CodeNodeLost, "The training on another machine ended first.")
	for name, c := range map[string]struct {
		own     *contract.Failure
		verdict *Verdict
		stopped bool
		exit    int
		code    contract.Code // "" is a success
		says    string
	}{
		"the job succeeded":                    {nil, &Verdict{}, false, 0, "", ""},
		"it succeeded, but could not be told":  {nil, &Verdict{Exit: 2}, false, 2, "", ""},
		"it succeeded, though this one failed": {oom, &Verdict{}, false, 0, "", ""},
		"it failed elsewhere":                  {nil, &Verdict{1, oom}, false, 1, contract.CodeCUDAOOM, ""},
		"it failed elsewhere and here":         {oom, &Verdict{75, lost}, false, 75, contract.CodeCUDAOOM, ""},
		"here only the link broke":             {lost, &Verdict{1, oom}, false, 1, contract.CodeCUDAOOM, ""},
		"asked to stop while it waited":        {nil, nil, true, 143, contract.CodeStopped, "stopped from outside"},
		"node 0 was lost after the end":        {nil, nil, false, 75, contract.CodeNodeLost, "Node 0 was lost after the training"},
		"the link broke, and node 0 was lost":  {lost, nil, false, 75, contract.CodeNodeLost, "Node 0 was lost"},
		"its own reason, and node 0 was lost":  {oom, nil, false, 1, contract.CodeCUDAOOM, "Out of GPU memory"},
	} {
		t.Run(name, func(t *testing.T) {
			r, warning := Settle(contract.Result{Error: c.own}, c.verdict, c.stopped)
			code, text := contract.Code(""), ""
			if r.Error != nil {
				code, text = r.Error.Code, r.Error.Message
			}
			if r.ExitCode != c.exit || code != c.code || !strings.Contains(text, c.says) {
				t.Errorf("exit code %d, %s %q", r.ExitCode, code, text)
			}
			if failed := r.Status == contract.StatusFailed; failed != (code != "") {
				t.Errorf("status %s with the code %q", r.Status, code)
			}
			if told := warning != ""; told != (c.own != nil && c.verdict != nil && c.verdict.Failure == nil) {
				t.Errorf("warning %q", warning)
			}
		})
	}
}
