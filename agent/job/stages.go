package job

import (
	"context"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
)

// Claim makes the workspace and keeps every other agent out of it, and what another job
// has left there out of this one's results.
type Claim struct {
	Workspace Workspace
	JobID     string
	Events    *Events

	unlock func()
}

// Start opens the workspace and locks it.
func (c *Claim) Start(context.Context) (err error) {
	if err := c.Workspace.Open(); err != nil {
		return err
	}
	if c.unlock, err = c.Workspace.Lock(); err != nil {
		return err
	}
	aside, err := c.Workspace.MakeRoom(c.JobID)
	if aside != "" {
		c.Events.Warn("The workspace holds what another job has left, each job needs a WORKSPACE_DIR of its own: that job's output is in " + aside + " now.")
	}
	return err
}

// Stop lets another agent in.
func (c *Claim) Stop(context.Context) error {
	if c.unlock != nil {
		c.unlock()
	}
	return nil
}

// Marking leaves the run marker, and gives what is known of a run that was killed.
type Marking struct {
	Path   string
	Node   string // where this is, "" when it is not known
	Events *Events
	Now    func() time.Time
	Memory func() (host.Memory, error) // of this cgroup; where there is none, nothing is concluded from it

	Marker   *Marker
	Previous *PreviousRun // nil when none was killed
}

// Start reads the marker of an earlier run and leaves this run's.
func (m *Marking) Start(context.Context) (err error) {
	account, _ := m.Memory()
	m.Marker, m.Previous, err = Mark(m.Path, m.Node, m.Now(), account)
	if err == nil && m.Previous != nil {
		m.Events.Warn(m.Previous.Message)
	}
	return err
}

// Stop leaves the marker: only a result that was kept takes it away.
func (m *Marking) Stop(context.Context) error { return nil }

// Killed reports that the run before this one was.
func (m *Marking) Killed() bool { return m.Previous != nil }

// Remove takes the marker away, if there is one.
func (m *Marking) Remove() error {
	if m.Marker == nil {
		return nil
	}
	return m.Marker.Remove()
}
