package ui

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// read is a card as a person reads it.
func read(c Card) string {
	var b bytes.Buffer
	c.print(&b, 200, false)
	return b.String()
}

func TestTheCardSaysWhatASuccessLacks(t *testing.T) {
	now := func() time.Time { return time.Unix(1000, 0) }
	after := func(epoch string) Job {
		j := Job{ID: "job-1", Type: contract.JobTraining, Epochs: 10, Metric: "acc", Now: now, Tracker: job.NewTracker(job.TrackerOptions{Now: now, Metric: "acc"})}
		j.Tracker.Observe(contract.Message{Kind: contract.KindHeartbeat, Body: []byte(`{"epoch":` + epoch + `}`)})
		return j
	}
	const replay = "trainer-agent replay --from s3://b/jobs/job-1/undelivered.jsonl"
	for name, c := range map[string]struct {
		job    Job
		result contract.Result
		replay string
		says   string
		not    string
	}{
		"done was not delivered": {after("10"), contract.Result{Status: contract.StatusSucceeded, ExitCode: contract.ExitUndelivered, NotDelivered: 3}, replay, replay, "epochs  "},
		"it left early":          {after("1"), contract.Result{Status: contract.StatusSucceeded}, "", "1 of 10: the script left with 0", "replay"},
		"nothing is missing":     {after("10"), contract.Result{Status: contract.StatusSucceeded}, "", "succeeded", "not delivered"},
	} {
		if text := read(c.job.Card(c.result, c.replay)); !strings.Contains(text, c.says) || strings.Contains(text, c.not) {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

func TestTheCardSaysWhereTheTrainingStarted(t *testing.T) {
	now := func() time.Time { return time.Unix(1000, 0) }
	j := Job{ID: "job-1", Type: contract.JobTraining, Now: now, Tracker: job.NewTracker(job.TrackerOptions{Now: now})}
	for _, event := range []string{
		`{"event_type":"settings_chosen","message":"Not set, chosen for vit: IMAGE_SIZE=224","data":{}}`,
		`{"event_type":"training_from_scratch","message":"vit starts from scratch: there are no pretrained weights of it","data":{}}`,
		`{"event_type":"weights_loaded","message":"Weights: 1 of 3 tensors from a.pt","data":{}}`,
		`{"event_type":"weights_loaded","message":"Weights: 2 of 3 tensors from a.pt; fresh: head.bias","data":{}}`,
		`{"event_type":"note","message":"anything else","data":{}}`,
	} {
		j.Tracker.Observe(contract.Message{Kind: contract.KindEvent, Body: []byte(event)})
	}
	text := read(j.Card(contract.Result{Status: contract.StatusSucceeded}, ""))
	weights, settings := strings.Index(text, "Weights: 2 of 3 tensors from a.pt; fresh: head.bias"), strings.Index(text, "chosen for vit: IMAGE_SIZE=224")
	scratch := strings.Index(text, "vit starts from scratch")
	if weights < 0 || scratch < weights || settings < scratch || strings.Contains(text, "Weights: 1 of 3") || strings.Contains(text, "anything else") {
		t.Errorf("%s", text)
	}
}

func TestATrainingThatEndsEarlyOnPurposeSaysWhy(t *testing.T) {
	now := func() time.Time { return time.Unix(1000, 0) }
	j := Job{ID: "job-1", Type: contract.JobTraining, Epochs: 10, Now: now, Tracker: job.NewTracker(job.TrackerOptions{Now: now})}
	j.Tracker.Observe(contract.Message{Kind: contract.KindHeartbeat, Body: []byte(`{"epoch":3,"metrics":{"accuracy":0.5}}`)})
	why := "accuracy was not better than in epoch 1 for 2 epochs: the training ends early, after epoch 3 of 10"
	j.Tracker.Observe(contract.Message{Kind: contract.KindEvent, Body: []byte(`{"event_type":"early_stopped","message":"` + why + `"}`)})
	if text := read(j.Card(contract.Result{Status: contract.StatusSucceeded}, "")); !strings.Contains(text, why[:80]) || strings.Contains(text, "left with 0") {
		t.Errorf("%s", text)
	}
}

func TestASecretIsMaskedInEveryLineOfACard(t *testing.T) {
	c := Card{Title: "failed", Sections: []Section{{Name: "why", Lines: []string{"the token hush is refused"}}}}
	masked := c.Masked(func(text string) string { return strings.ReplaceAll(text, "hush", "***") })
	if strings.Contains(read(masked), "hush") || !strings.Contains(read(c), "hush") {
		t.Errorf("%s", read(masked))
	}
}
