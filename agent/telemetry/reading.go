package telemetry

import (
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// Sources are what a Snapshot is read from. Those of the other rooms answer false
// while there is nothing to tell.
type Sources struct {
	JobType       contract.JobType
	Framework     string
	Epochs        int
	PrimaryMetric string
	Tracker       *job.Tracker
	Store         func() (retries, sent, received int64) // bytes; what of it was the dataset, the Tracker knows
	System        func() *contract.System
	Checkpoints   func() (Checkpoints, bool)
	Callbacks     func() (Callbacks, bool)
	Usage         func() (cpu time.Duration, rss int64, known bool) // of the child
}

// Read is the moment.
func (o Sources) Read() Snapshot {
	v := o.Tracker.View()
	s := Snapshot{
		Ready: v.Phase.Name == job.PhaseRunning, JobType: o.JobType, Framework: o.Framework,
		Phases:   Phases{Running: v.Phase.Name, Seconds: v.Phase.Seconds},
		Training: Training{Epoch: v.Epoch, Epochs: o.Epochs, PrimaryMetric: o.PrimaryMetric},
		System:   o.System(),
	}
	s.Store.Retries, s.Store.SentBytes, s.Store.ReceivedBytes = o.Store()
	s.Store.DatasetBytes = v.DatasetRead
	if v.Newest.Epoch > 0 {
		s.Training.PrimaryValue = &v.Newest.Value
	}
	if v.Percent > 0 {
		ratio := v.Percent / 100
		s.Training.Progress = &ratio
	}
	s.Callbacks, _ = o.Callbacks()
	if c, watched := o.Checkpoints(); watched {
		s.Checkpoints = &c
	}
	if cpu, rss, known := o.Usage(); known {
		seconds := cpu.Seconds()
		s.Child = Child{CPUSeconds: &seconds, RSSBytes: &rss}
	}
	return s
}
