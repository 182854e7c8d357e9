package gpu

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// fleet are the devices of the machine and what the probe's lines say of them.
type fleet struct {
	devices []*device // by index, from the first hello on
	count   int       // devices at start; 0 = no hello yet
	driver  string
	child   childState
	table   xidTable
}

// accept takes one line of the probe and returns the faults that it shows.
func (f *fleet) accept(line contract.ProbeLine, now time.Time) []contract.GPUFault {
	switch line.Type {
	case contract.ProbeHello:
		return f.hello(line, now)
	case contract.ProbeSample:
		return f.attributed(f.sample(line, now))
	case contract.ProbeEvent:
		return f.attributed(f.xid(line, now))
	case contract.ProbeError:
		return f.attributed(f.failedCall(line, now))
	}
	return nil
}

// hello: the first one is the baseline of the machine; later ones follow a
// restart of the probe and may lack a GPU.
func (f *fleet) hello(line contract.ProbeLine, now time.Time) []contract.GPUFault {
	f.driver = line.Driver
	if f.count == 0 {
		f.count = len(line.GPUs)
		for _, g := range line.GPUs {
			f.devices = append(f.devices, &device{info: g})
		}
		slices.SortStableFunc(f.devices, func(a, b *device) int { return cmp.Compare(a.info.Index, b.info.Index) })
		return nil
	}
	return f.missing(len(line.GPUs), now)
}

func (f *fleet) missing(count int, now time.Time) []contract.GPUFault {
	if count >= f.count {
		return nil
	}
	return []contract.GPUFault{{
		Kind: contract.GPUMissing, Index: -1, Fatal: true, Time: now,
		Message: fmt.Sprintf("Only %d of %d GPUs are left", count, f.count),
	}}
}

func (f *fleet) sample(line contract.ProbeLine, now time.Time) []contract.GPUFault {
	var faults []contract.GPUFault
	if line.Count != nil {
		faults = append(faults, f.missing(*line.Count, now)...)
	}
	for _, s := range line.GPUs {
		d := f.device(s.UUID)
		if d == nil {
			continue
		}
		d.take(s, now)
		faults = append(faults, d.judge(now, f.child)...)
	}
	return faults
}

// failedCall: an error that the probe found worth a line.
func (f *fleet) failedCall(line contract.ProbeLine, now time.Time) []contract.GPUFault {
	d := f.device(line.UUID)
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

func (f *fleet) device(uuid string) *device {
	for _, d := range f.devices {
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
