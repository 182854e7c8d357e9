package agent

import (
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/cluster"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/contract"
)

// Node 0 alone validates at the end, for longer than it may take to report.
func TestAMachineThatIsDoneWaitsAsLongAsNode0MayTrain(t *testing.T) {
	cfg := &config.Config{}
	cfg.FlushTimeout, cfg.NodeTimeout = 10*time.Minute, time.Minute
	cfg.Job.Training = &contract.TrainingJob{MaxTrainingTime: time.Hour}
	if got := (&job{cfg: cfg}).verdictWait(); got < 71*time.Minute {
		t.Errorf("it waits %s", got)
	}
}

func TestNode0ThatIsToldToStopTellsTheOthersAtOnce(t *testing.T) {
	o := cluster.Options{JobID: "job-1", Nodes: 2, Address: "127.0.0.1:0", Timeout: time.Minute, Wait: time.Minute,
		Key: func() (string, error) { return "the-callback-token", nil }}
	leader, err := cluster.Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer leader.Close()
	o.Rank, o.Address = 1, leader.Addr().String()
	member, err := cluster.Join(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()
	(&job{together: together{leader: leader}}).leaving()
	select {
	case <-member.Trouble():
	case <-time.After(10 * time.Second):
		t.Error("the other machine trains on")
	}
}
