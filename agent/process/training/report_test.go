package training

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestATrainingThatLeftEarlyByItselfSaysAfterWhichEpoch(t *testing.T) {
	for name, c := range map[string]struct {
		stop  Stop
		code  int
		epoch int
		early bool
	}{
		"after 1 of 10":      {StopNone, 0, 1, true},
		"after all":          {StopNone, 0, 10, false},
		"it counts none":     {StopNone, 0, 0, false},
		"it failed":          {StopNone, 1, 1, false},
		"it was asked to go": {StopRequested, 0, 1, false},
	} {
		events := job.NewEvents(slog.New(slog.DiscardHandler), time.Now, "")
		var said contract.Event
		events.Send(func(e contract.Event) { said = e })
		training := &Training{Noun: "training", Events: events}
		began := time.Unix(1000, 0)
		training.Report(Ending{Stop: c.stop, Status: process.Status{ExitCode: c.code}, Started: began, Ended: began.Add(90 * time.Second)}, c.epoch, 10)
		if early := strings.HasSuffix(said.Message, ", after 1 of 10 epochs"); early != c.early || !strings.HasPrefix(said.Message, "The training process has ended: ") {
			t.Errorf("%s: %q", name, said.Message)
		}
		if said.EventType != contract.EventTrainingFinished || !strings.Contains(string(said.Data), `"seconds":90`) {
			t.Errorf("%s: %s %s", name, said.EventType, said.Data)
		}
	}
}
