package gpu

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// accept takes one line of the probe and returns the faults that it shows.
func (m *Monitor) accept(line contract.ProbeLine, now time.Time) []contract.GPUFault {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch line.Type {
	case contract.ProbeHello:
		return m.hello(line, now)
	case contract.ProbeSample:
		return m.attributed(m.sample(line, now))
	case contract.ProbeEvent:
		return m.attributed(m.xid(line, now))
	case contract.ProbeError:
		return m.attributed(m.failedCall(line, now))
	}
	return nil
}

// hello: the first one is the baseline of the machine; later ones follow a
// restart of the probe and may lack a GPU.
func (m *Monitor) hello(line contract.ProbeLine, now time.Time) []contract.GPUFault {
	m.driver, m.watched, m.reason = line.Driver, true, ""
	if m.count == 0 {
		m.count = len(line.GPUs)
		for _, g := range line.GPUs {
			m.devices = append(m.devices, &device{info: g})
		}
		slices.SortStableFunc(m.devices, func(a, b *device) int { return cmp.Compare(a.info.Index, b.info.Index) })
		return nil
	}
	return m.missing(len(line.GPUs), now)
}

func (m *Monitor) missing(count int, now time.Time) []contract.GPUFault {
	if count >= m.count {
		return nil
	}
	return []contract.GPUFault{{
		Kind: contract.GPUMissing, Index: -1, Fatal: true, Time: now,
		Message: fmt.Sprintf("Only %d of %d GPUs are left", count, m.count),
	}}
}

func (m *Monitor) sample(line contract.ProbeLine, now time.Time) []contract.GPUFault {
	var faults []contract.GPUFault
	if line.Count != nil {
		faults = append(faults, m.missing(*line.Count, now)...)
	}
	for _, s := range line.GPUs {
		d := m.device(s.UUID)
		if d == nil {
			continue
		}
		d.take(s, now)
		faults = append(faults, d.judge(now, m.child)...)
	}
	return faults
}

// failedCall: an error that the probe found worth a line.
func (m *Monitor) failedCall(line contract.ProbeLine, now time.Time) []contract.GPUFault {
	d := m.device(line.UUID)
	if d == nil {
		return nil
	}
	switch line.Ret {
	case contract.NVMLGPULost:
		if d.lost {
			return nil
		}
		d.lost = true
		return []contract.GPUFault{d.fault(contract.GPULost, true, now, "GPU %d is lost to the driver (%s)", d.info.Index, line.Call)}
	case contract.NVMLResetRequired:
		return []contract.GPUFault{d.fault(contract.GPUNeedsReset, true, now, "GPU %d needs a reset (%s)", d.info.Index, line.Call)}
	case contract.NVMLUnknown:
		return []contract.GPUFault{d.fault(contract.GPUAccessLost, false, now,
			"The container lost its access to GPU %d for monitoring (error 999; known after a daemon-reload on the host, no fault of the GPU)", d.info.Index)}
	}
	return nil
}

func (m *Monitor) device(uuid string) *device {
	for _, d := range m.devices {
		if d.info.UUID == uuid {
			return d
		}
	}
	return nil
}

func (d *device) fault(kind contract.GPUFaultKind, fatal bool, now time.Time, format string, args ...any) contract.GPUFault {
	return contract.GPUFault{
		Kind: kind, UUID: d.info.UUID, Index: d.info.Index, Fatal: fatal, Time: now, Message: fmt.Sprintf(format, args...),
	}
}
