package diagnose

import (
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestASuccessHereDoesNotMakeGoodAFailureElsewhere(t *testing.T) {
	good := Evidence{JobType: contract.JobTraining, Checkpoints: 1, LastEpoch: 3}
	oom := contract.Failf(contract.CodeCUDAOOM, "Out of GPU memory.")
	broken := contract.Failf(contract.CodeStorageError, "best.pt could not be uploaded.")
	linkBroke := contract.Failf(contract.CodeNodeLost, "The training on another machine ended first.")
	for name, c := range map[string]struct {
		nodes     []contract.NodeEvidence
		upload    *contract.Failure
		code      contract.Code // "" is a success
		says      string
		uploading bool
	}{
		"nobody failed":         {nodes: []contract.NodeEvidence{{Rank: 1}}},
		"another failed":        {[]contract.NodeEvidence{{Rank: 1, Failure: oom}}, broken, contract.CodeCUDAOOM, "On node 1: Out of GPU memory.", false},
		"another is lost":       {[]contract.NodeEvidence{{Rank: 2, Lost: true}}, nil, contract.CodeNodeLost, "Node 2", false},
		"a link broke":          {nodes: []contract.NodeEvidence{{Rank: 1, Failure: linkBroke}}},
		"one lost, one failed":  {[]contract.NodeEvidence{{Rank: 1, Lost: true}, {Rank: 2, Failure: oom}}, nil, contract.CodeCUDAOOM, "On node 2", false},
		"the upload has failed": {nil, broken, contract.CodeStorageError, "best.pt", true},
	} {
		e := good
		e.Nodes = c.nodes
		f, uploading := Cause(e, c.upload)
		code, text := contract.Code(""), ""
		if f != nil {
			code, text = f.Code, f.Message
		}
		if code != c.code || !strings.Contains(text, c.says) || uploading != c.uploading {
			t.Errorf("%s: %s %q, uploading %v", name, code, text, uploading)
		}
	}
	if strings.HasPrefix(oom.Message, "On node") {
		t.Error("the other machine's own failure was changed")
	}
}

func TestAScriptThatLeavesBeforeItsEpochsIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		epoch   int
		job     contract.JobType
		failure *contract.Failure
		told    bool
	}{
		"after 1 of 10":  {1, contract.JobTraining, nil, true},
		"after all":      {10, contract.JobTraining, nil, false},
		"it counts none": {0, contract.JobTraining, nil, false},
		"it failed":      {1, contract.JobTraining, contract.Failf(contract.CodeTrainingFailed, "…"), false},
		"an export":      {1, contract.JobExport, nil, false},
	} {
		texts := EndedEarly(Evidence{JobType: c.job, LastEpoch: c.epoch}, c.failure, 10)
		if told := len(texts) == 1 && strings.Contains(texts[0], "1 of 10 epochs"); told != c.told {
			t.Errorf("%s: %q", name, texts)
		}
	}
}

func TestATrainerThatEndsEarlyOnPurposeIsBelieved(t *testing.T) {
	for crowded, want := range map[bool]int{false: 0, true: 1} {
		if texts := EndedEarly(Evidence{JobType: contract.JobTraining, LastEpoch: 3, Early: true, Crowded: crowded}, nil, 10); len(texts) != want {
			t.Errorf("crowded %v: %q", crowded, texts)
		}
	}
}

func TestAScriptWhoseReportsMayBeLostIsNotBlamedAlone(t *testing.T) {
	for epoch, told := range map[int]bool{0: true, 2: true, 4: false} {
		texts := EndedEarly(Evidence{JobType: contract.JobTraining, LastEpoch: epoch, Crowded: true}, nil, 4)
		if len(texts) == 1 != told || told && (!strings.Contains(texts[0], "of 4 epochs were heard of") || !strings.Contains(texts[0], "crowded")) {
			t.Errorf("epoch %d: %q", epoch, texts)
		}
	}
}

func TestTheChildsOwnReportIsRead(t *testing.T) {
	for body, want := range map[string]*Report{
		`{"status":"succeeded"}`:                                  {Status: contract.StatusSucceeded},
		`{"status":"failed","error_message":"no such file"}`:      {Status: contract.StatusFailed, Error: "no such file"},
		`{"status":"succeeded","overall_metrics":{"mAP50":null}}`: {Status: contract.StatusSucceeded, Measured: true},
		`{"status":"succeeded","overall_metrics":{}}`:             {Status: contract.StatusSucceeded},
		`[`: nil,
	} {
		got := ReportOf(&contract.Message{Kind: contract.KindDone, Body: []byte(body)})
		if (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%s: %+v", body, got)
		}
	}
	if ReportOf(nil) != nil {
		t.Error("a report of nobody")
	}
}
