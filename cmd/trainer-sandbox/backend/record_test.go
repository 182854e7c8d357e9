package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestBestIsJudgedByTheBackendsOwnRecord(t *testing.T) {
	f := start(t)
	isBest := func(job string, n int, v contract.Validation) bool {
		_, body := f.post(contract.KindValidation, job, n, v)
		var reply contract.ValidationReply
		if err := json.Unmarshal([]byte(body), &reply); err != nil || reply.Status != "ok" {
			t.Fatalf("got %s", body)
		}
		return reply.IsBest
	}
	for i, step := range []struct {
		value float64
		want  bool
	}{{0.1, true}, {0.3, true}, {0.3, false}, {0.2, false}, {0.4, true}} {
		if got := isBest("up", i, validation(i, step.value)); got != step.want {
			t.Errorf("validation %d of %v: is_best %v", i, step.value, got)
		}
	}
	for i, step := range []struct {
		value float64
		want  bool
	}{{2, true}, {1, true}, {3, false}} {
		v := validation(i, step.value)
		v.PrimaryMetricName = "val_loss"
		if got := isBest("down", i, v); got != step.want {
			t.Errorf("loss %d of %v: is_best %v", i, step.value, got)
		}
	}
	if s, _ := f.Job("up"); s.Best == nil || *s.Best != 0.4 {
		t.Errorf("got best %v, want 0.4", s.Best)
	}
}

func TestSummaryFollowsTheJob(t *testing.T) {
	f := start(t)
	f.post(contract.KindHeartbeat, "job-1", 1, valid(contract.KindHeartbeat))
	if s, _ := f.Job("job-1"); s.State != StateRunning || s.Epoch != 1 || s.Progress != 50 || s.Type != contract.JobTraining {
		t.Errorf("got %+v", s)
	}
	message := "no luck"
	f.post(contract.KindDone, "job-1", 2, contract.Done{Status: contract.StatusFailed, FinalMetrics: contract.Metrics{}, ErrorMessage: &message, Timestamp: at(1)})
	if s, _ := f.Job("job-1"); s.State != StateFailed || *s.ErrorMessage != message {
		t.Errorf("got %+v", s)
	}
	f.post(contract.KindHeartbeat, "job-1", 3, valid(contract.KindHeartbeat)) // run again after a failure
	s, _ := f.Job("job-1")
	if calls := f.Calls("job-1"); s.State != StateRunning || !calls[2].AfterFinal {
		t.Errorf("got %+v", s)
	}
	f.post(contract.KindExportProgress, "job-2", 1, valid(contract.KindExportProgress))
	if s, _ := f.Job("job-2"); s.Type != contract.JobExport {
		t.Errorf("got type %s, want export", s.Type)
	}
	if jobs := f.Jobs(); len(jobs) != 2 {
		t.Errorf("got %d jobs, want 2", len(jobs))
	}
}

func TestWaitSeesEveryCall(t *testing.T) {
	f := start(t)
	got := make(chan error, 1)
	go func() {
		final, err := f.WaitFinal(t.Context(), "job-1")
		if err == nil && final.Kind != contract.KindDone {
			err = fmt.Errorf("got %s", final.Kind)
		}
		got <- err
	}()
	f.post(contract.KindHeartbeat, "job-1", 1, valid(contract.KindHeartbeat))
	f.post(contract.KindDone, "job-1", 2, valid(contract.KindDone))
	if err := <-got; err != nil {
		t.Error(err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	err := f.Wait(stopped, "job-1", func([]Call) bool { return false })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestEventsAreFoundByType(t *testing.T) {
	f := start(t)
	f.post(contract.KindEvent, "job-1", 1, valid(contract.KindEvent))
	if n := len(Events(f.Calls("job-1"), contract.EventTrainingStarted)); n != 1 {
		t.Errorf("got %d, want 1", n)
	}
	if n := len(Events(f.Calls("job-1"), contract.EventStopping)); n != 0 {
		t.Errorf("got %d, want none", n)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	b, err := New(Options{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxCallsPerJob + 10 {
		b.remember(&Call{Seq: int64(i + 1), Job: "long", Key: fmt.Sprint(i), Kind: contract.KindHeartbeat})
	}
	s, _ := b.Job("long")
	calls := b.Calls("long")
	if len(calls) != maxCallsPerJob || s.Dropped != 10 || calls[0].Seq != 11 || len(b.jobs["long"].keys) != maxCallsPerJob {
		t.Errorf("kept %d calls from %d and %d keys, dropped %d", len(calls), calls[0].Seq, len(b.jobs["long"].keys), s.Dropped)
	}
	big := bytes.Repeat([]byte("x"), maxBodyBytes)
	for i := range 12 {
		b.remember(&Call{Seq: int64(i + 1), Job: "fat", Key: fmt.Sprint(i), Body: big})
	}
	if n := len(b.Calls("fat")); n != maxBytesPerJob/maxBodyBytes-1 {
		t.Errorf("kept %d large calls", n)
	}
	for i := range maxJobs {
		b.remember(&Call{Seq: int64(i + 1), Job: fmt.Sprint(i), Time: at(30).Time, Accepted: true})
	}
	if n := len(b.Jobs()); n != maxJobs {
		t.Errorf("kept %d jobs, want %d", n, maxJobs)
	}
}
