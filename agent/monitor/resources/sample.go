package resources

import (
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Sample is the state for one heartbeat. Processor use is the mean since the
// call before; GPUs are left to agent/monitor/gpu.
func (s *Sampler) Sample() *contract.System {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	system := s.state(now)
	system.CPU = s.cpu(now)
	return system
}

// Latest is the state for whoever looks between heartbeats. It is without the
// use of processors, which is a mean since the heartbeat before.
func (s *Sampler) Latest() *contract.System {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state(time.Now())
}

func (s *Sampler) state(now time.Time) *contract.System {
	s.take(now)
	return &contract.System{
		Memory: s.memory(),
		Disk:   disk(s.opts.Workspace, s.last.disk, s.ev.Disk.PeakBytes),
		Shm:    disk(shmPath(s.opts.Root), s.last.shm, s.ev.Shm.PeakBytes),
	}
}

func (s *Sampler) cpu(now time.Time) *contract.CPU {
	used, ok := s.groups.cpuTime()
	elapsed := now.Sub(s.cpuAt)
	if !ok || !s.cpuKnown || elapsed <= 0 {
		return nil
	}
	c := &contract.CPU{
		UtilPercent: contract.Number(100 * float64(used-s.cpuUsed) / float64(elapsed)),
		Limit:       contract.Number(s.groups.cpuLimit()),
		PressureAvg: s.pressure("cpu"),
	}
	s.cpuAt, s.cpuUsed = now, used
	return c
}

func (s *Sampler) memory() *contract.Memory {
	if s.last.mem.used == 0 {
		return nil
	}
	return &contract.Memory{
		UsedBytes: s.last.mem.used, LimitBytes: s.last.mem.limit, PeakBytes: s.ev.MemoryPeak,
		OOMKills: s.ev.OOMKills, PressureAvg: s.pressure("memory"),
	}
}

func (s *Sampler) pressure(resource string) *contract.Number {
	v, ok := s.groups.pressure(s.opts.Root, resource)
	if !ok {
		return nil
	}
	n := contract.Number(v)
	return &n
}

func disk(path string, v *volume, peak int64) *contract.Disk {
	if v == nil {
		return nil
	}
	return &contract.Disk{Path: path, UsedBytes: v.used(), TotalBytes: v.total, PeakBytes: peak}
}
