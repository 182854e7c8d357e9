package cluster

import (
	"context"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
)

func TestNode0ListensOnEveryAddressAndTheOthersFindIt(t *testing.T) {
	if got := Address(0, "trainer-0.jobs", 29400); got != ":29400" {
		t.Errorf("node 0 listens on %s", got)
	}
	for master, want := range map[string]string{"trainer-0.jobs": "trainer-0.jobs:29400", "fd00::1": "[fd00::1]:29400"} {
		if got := Address(1, master, 29400); got != want {
			t.Errorf("node 1 looks for %s, want %s", got, want)
		}
	}
}

func TestOnlyAMachineThatDoesNotLeadGathersFirst(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nobody is there to join
	for rank, want := range []string{job.PhaseStarting, job.PhaseGathering} {
		tracker := job.NewTracker(job.TrackerOptions{Now: time.Now})
		g := Gathering{NewGroup(Options{
			JobID: "job-1", Rank: rank, Nodes: 2, Address: "127.0.0.1:0", Timeout: time.Minute, Wait: time.Minute,
			Key: func() (string, error) { return "the-callback-token", nil },
		}), tracker}
		_ = g.Start(ctx)
		if got := tracker.View().Phase.Name; got != want {
			t.Errorf("node %d is in phase %s, want %s", rank, got, want)
		}
		_ = g.Stop(t.Context())
	}
}
