package agent

import "github.com/vision-platform/trainer-agent/agent/telemetry"

// snapshot is what the metrics endpoint tells.
func (j *job) snapshot() telemetry.Snapshot {
	v := j.progress.view()
	s := telemetry.Snapshot{
		Ready: v.phase == phaseRunning, JobType: j.cfg.Job.Type, Framework: j.cfg.Framework, Phase: v.phase, PhaseSeconds: v.seconds,
		Epoch: v.epoch, Epochs: j.cfg.Epochs, PrimaryMetric: j.cfg.PrimaryMetric, PrimaryValue: v.primary, DownloadedBytes: v.read,
		StoreRetries: j.storeRetries.Load(),
	}
	if j.outbox != nil {
		p := j.outbox.Pending()
		s.OutboxDepth, s.OutboxOldest = p.Depth, p.OldestAge.Seconds()
		s.CallbacksAccepted, s.CallbackRetries, s.CallbacksRejected = int64(p.Accepted), int64(p.Retries), int64(p.Rejected)
	}
	if v.percent > 0 {
		ratio := v.percent / 100
		s.Progress = &ratio
	}
	if w := j.watcher.Load(); w != nil {
		u := w.Stats()
		s.Checkpoints = &telemetry.Checkpoints{Bytes: u.Bytes, Failures: u.Failures, Waiting: u.Waiting, Last: u.Last, Lag: u.Lag}
	}
	if c := j.child.Load(); c != nil {
		if u, err := c.Usage(); err == nil {
			cpu, rss := u.CPU.Seconds(), u.RSS
			s.ChildCPUSeconds, s.ChildRSSBytes = &cpu, &rss
		}
	}
	if j.sampler != nil {
		s.System = j.systemLatest()
	}
	return s
}
