package callbacks

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/relay"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestWhatAnEarlierRunSaidLastDecidesWhetherToTrain(t *testing.T) {
	failed := contract.Done{Status: contract.StatusFailed}
	for name, c := range map[string]struct {
		said   any // nil: nothing
		killed bool
		mute   bool
		again  bool
	}{
		"it said nothing":                       {nil, false, false, false},
		"it succeeded and could not deliver it": {succeeded, false, false, true},
		"it succeeded and was killed":           {succeeded, true, false, true},
		"it failed":                             {failed, true, false, false},
		"there is nobody to tell":               {nil, true, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			q, _ := queueFor(t, http.StatusServiceUnavailable)
			q.Mute = c.mute
			if err := q.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = q.Stop(context.Background()) })
			if c.said != nil {
				m, err := contract.NewMessage(contract.KindDone, c.said, time.Now())
				if err := errors.Join(err, q.Box.AppendFinal(m)); err != nil {
					t.Fatal(err)
				}
			}
			stage := Earlier{Queue: q, Killed: func() bool { return c.killed }, Warn: func(text string) { t.Error(text) }}
			if err := stage.Start(t.Context()); errors.Is(err, ErrAgain) != c.again || err != nil && !c.again {
				t.Errorf("%v", err)
			}
			if q.Box == nil {
				return
			}
			if _, stored := q.Box.Final(); stored != c.again {
				t.Errorf("the earlier final message is stored: %v", stored)
			}
		})
	}
}

func TestAMachineThatIsMuteAnswersItsChildAndSendsNothing(t *testing.T) {
	q, heard := queueFor(t, http.StatusOK)
	q.Mute = true
	begin(t, q)
	bus := &job.Bus{}
	var seen []contract.Kind
	bus.Listen(func(m contract.Message) { seen = append(seen, m.Kind) })
	r := &Relay{Queue: q, Bus: bus, Said: func(contract.Message) {}, Options: func() relay.Options {
		return relay.Options{Job: relay.Job{ID: "job-1", Task: contract.TaskObjectDetection}}
	}}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	env := r.Environment()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, env["BACKEND_BASE_URL"]+contract.KindHeartbeat.Path("job-1"), strings.NewReader(`{"epoch":1,"progress":5}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+env["CALLBACK_TOKEN"])
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	q.Send(contract.Event{EventType: contract.EventAgentStarted, Timestamp: contract.At(time.Now())})
	if err := r.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if all := heard(); answer.StatusCode != http.StatusOK || len(seen) != 1 || len(all) != 0 || q.Pending() != 0 {
		t.Errorf("HTTP %d, seen %v, the backend heard %q", answer.StatusCode, seen, all)
	}
}

func TestStagesThatNeverStartedMayBeStopped(t *testing.T) {
	q, _ := queueFor(t, http.StatusOK)
	for name, stop := range map[string]func(context.Context) error{
		"the outbox": q.Stop, "the relay": (&Relay{Queue: q}).Stop, "the result files": (&ResultFiles{Queue: q}).Stop, "the heartbeat": (&Heartbeat{Queue: q}).Stop,
	} {
		if err := stop(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
