package resources

import (
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/contract"
)

// Sample is the state for one heartbeat. Processor use is the mean since the
// call before; GPUs are left to agent/monitor/gpu.
func (s *Sampler) Sample() *contract.System {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	system := s.state(now)
	system.CPU = s.cpu.since(now)
	return system
}

// Latest is the state for those who look between heartbeats. It is without the
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
		Disk:   disk(s.opts.Workspace, s.last.disk, s.account.Disk.PeakBytes),
		Shm:    disk(shmPath(s.opts.Root), s.last.shm, s.account.Shm.PeakBytes),
	}
}

func (s *Sampler) memory() *contract.Memory {
	if s.last.memory.Used == 0 {
		return nil
	}
	return &contract.Memory{
		UsedBytes: s.last.memory.Used, LimitBytes: s.last.memory.Limit, PeakBytes: s.account.MemoryPeak,
		OOMKills: s.account.OOMKills, PressureAvg: pressure(s.look.groups, "memory"),
	}
}

// cpuMeter tells the use of processors between two heartbeats.
type cpuMeter struct {
	groups host.Groups
	at     time.Time
	used   time.Duration
	known  bool
}

func newCPUMeter(groups host.Groups, now time.Time) cpuMeter {
	m := cpuMeter{groups: groups, at: now}
	m.used, m.known = groups.CPUTime()
	return m
}

// since is the mean since the call before, nil when it is not known.
func (m *cpuMeter) since(now time.Time) *contract.CPU {
	used, ok := m.groups.CPUTime()
	elapsed := now.Sub(m.at)
	if !ok || !m.known || elapsed <= 0 {
		return nil
	}
	c := &contract.CPU{
		UtilPercent: contract.Number(100 * float64(used-m.used) / float64(elapsed)),
		Limit:       contract.Number(m.groups.CPULimit()),
		PressureAvg: pressure(m.groups, "cpu"),
	}
	m.at, m.used = now, used
	return c
}

func pressure(g host.Groups, resource string) *contract.Number {
	v, ok := g.Pressure(resource)
	if !ok {
		return nil
	}
	n := contract.Number(v)
	return &n
}

func disk(path string, v *host.Volume, peak int64) *contract.Disk {
	if v == nil {
		return nil
	}
	return &contract.Disk{Path: path, UsedBytes: v.Used(), TotalBytes: v.Total, PeakBytes: peak}
}
