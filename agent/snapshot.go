package agent

import (
	"context"

	"github.com/vision-platform/trainer-agent/agent/callbacks"
	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/monitor"
	"github.com/vision-platform/trainer-agent/agent/process/training"
	"github.com/vision-platform/trainer-agent/agent/telemetry"
)

// metrics is what the store did; dataset is how much of it was the dataset.
func (s *storeAccess) metrics(dataset int64) telemetry.Store {
	return telemetry.Store{
		DatasetBytes: dataset, Retries: s.counts.Retries.Load(),
		SentBytes: s.counts.Sent.Load(), ReceivedBytes: s.counts.Received.Load(),
	}
}

// snapshot is what the metrics endpoint tells.
func (b base) snapshot(queue *callbacks.Queue, up *checkpoints.Uploading, machine monitor.Machine, child *training.Training) func() telemetry.Snapshot {
	cfg := b.cfg
	return func() telemetry.Snapshot {
		v := b.tracker.View()
		s := telemetry.Snapshot{
			Ready: v.Phase.Name == job.PhaseRunning, JobType: cfg.Job.Type, Framework: cfg.Framework,
			Phases:   telemetry.Phases{Running: v.Phase.Name, Seconds: v.Phase.Seconds},
			Training: telemetry.Training{Epoch: v.Epoch, Epochs: cfg.Epochs, PrimaryMetric: cfg.PrimaryMetric},
			Store:    b.store.metrics(v.DatasetRead),
			System:   machine.Latest(),
		}
		if v.Newest.Epoch > 0 {
			s.Training.PrimaryValue = &v.Newest.Value
		}
		if queue.Box != nil {
			p := queue.Box.Pending()
			s.Callbacks = telemetry.Callbacks{
				Waiting: p.Depth, OldestSeconds: p.OldestAge.Seconds(),
				Accepted: int64(p.Accepted), Retries: int64(p.Retries), Rejected: int64(p.Rejected),
			}
		}
		if v.Percent > 0 {
			ratio := v.Percent / 100
			s.Training.Progress = &ratio
		}
		if u, watched := up.Stats(); watched {
			s.Checkpoints = &telemetry.Checkpoints{Bytes: u.Bytes, Failures: u.Failures, Waiting: u.Waiting, Last: u.Last, Lag: u.Lag}
		}
		if u, known := child.Usage(); known {
			cpu, rss := u.CPU.Seconds(), u.RSS
			s.Child = telemetry.Child{CPUSeconds: &cpu, RSSBytes: &rss}
		}
		return s
	}
}

// endpoint serves metrics and health. It is no reason to lose a job.
type endpoint struct {
	o        *Options
	snapshot func() telemetry.Snapshot
	server   *telemetry.Endpoint
}

func (e *endpoint) Start(ctx context.Context) (err error) {
	if e.o.Config.MetricsAddr != "" {
		e.server, err = telemetry.Serve(ctx, e.o.Config.MetricsAddr, e.snapshot, e.o.Log)
	}
	return err
}

func (e *endpoint) Stop(context.Context) error {
	if e.server == nil {
		return nil
	}
	return e.server.Close()
}
