package cluster

import (
	"testing"
	"time"
)

func TestNode0ThatIsAskedToStopTellsTheOthersAtOnce(t *testing.T) {
	o := Options{JobID: "job-1", Nodes: 2, Address: "127.0.0.1:0", Timeout: time.Minute, Wait: time.Minute,
		Key: func() (string, error) { return "the-callback-token", nil }}
	node0 := NewGroup(o)
	if err := node0.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = node0.Stop(t.Context()) }()
	o.Rank, o.Address = 1, node0.leader.Load().Addr().String()
	node1 := NewGroup(o)
	if err := node1.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = node1.Stop(t.Context()) }()
	if !node0.Leads() || node1.Leads() {
		t.Error("node 0 leads, and it alone")
	}
	node0.Leaving()
	select {
	case <-node1.Trouble():
	case <-time.After(10 * time.Second):
		t.Error("the other machine trains on")
	}
}

func TestAJobOnOneMachineHasNobodyToWaitFor(t *testing.T) {
	g := NewGroup(Options{Nodes: 1, Rank: 3}) // an indexed Job of one pod still counts
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.Assemble(t.Context()); err != nil || !g.Leads() || g.Rank() != 0 || g.Trouble() != nil || g.Evidence(time.Hour) != nil {
		t.Errorf("%+v, %v", g, err)
	}
	ctx, release := g.While(t.Context())
	release()
	if ctx.Err() == nil {
		t.Error("it was not released")
	}
}
