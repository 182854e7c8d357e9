package cluster

import (
	"context"
	"net"
	"strconv"

	"github.com/vision-platform/trainer-agent/agent/job"
)

// Gathering opens the leader's port, or joins it. A machine that does not lead
// prepares only after it has joined: what it resumes from is then what the leader
// does.
type Gathering struct {
	*Group
	Tracker *job.Tracker
}

// Start returns when the others can join, or this machine has.
func (g Gathering) Start(ctx context.Context) error {
	if !g.Leads() {
		g.Tracker.Enter(job.PhaseGathering)
	}
	return g.Group.Start(ctx)
}

// Address is where the leader listens, and where a member of this rank finds it.
func Address(rank int, master string, port int) string {
	if rank == 0 { // node 0 listens on every address
		master = ""
	}
	return net.JoinHostPort(master, strconv.Itoa(port))
}
