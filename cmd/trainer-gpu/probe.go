//go:build cgo && linux

package main

import (
	"fmt"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/vision-platform/trainer-agent/contract"
)

// probe holds the initialised library and its devices.
type probe struct {
	lib      nvml.Interface
	calls    *calls
	out      *printer
	slow     time.Duration
	kick     chan struct{} // asks for the counters now
	devices  []*device
	reported map[reportKey]time.Time
}

// device is a GPU, or one instance of a partitioned GPU (MIG). What an instance
// does not have of its own is asked of its parent.
type device struct {
	handle   nvml.Device
	parent   nvml.Device // the GPU itself; the handle where there is no MIG
	instance *uint32     // GPU instance id under MIG
	info     contract.ProbeGPU
}

// hello finds the devices, keeps their UUIDs (after XID 79 they can't be read any
// more) and prints them.
func (p *probe) hello() *contract.ProbeLine {
	count := 0
	ret := p.calls.do("nvmlDeviceGetCount_v2", nil, func() (r nvml.Return) { count, r = p.lib.DeviceGetCount(); return })
	if ret != nvml.SUCCESS {
		return fatalLine("nvmlDeviceGetCount_v2", ret)
	}
	for i := range count {
		var handle nvml.Device
		ret := p.calls.do("nvmlDeviceGetHandleByIndex_v2", &i, func() (r nvml.Return) { handle, r = p.lib.DeviceGetHandleByIndex(i); return })
		if ret != nvml.SUCCESS {
			p.out.print(contract.ProbeLine{Type: contract.ProbeError, Call: "nvmlDeviceGetHandleByIndex_v2", Index: &i, Ret: int(ret)})
			continue
		}
		p.devices = append(p.devices, p.identify(i, handle)...)
	}
	if len(p.devices) == 0 {
		return &contract.ProbeLine{Type: contract.ProbeFatal, Call: "nvmlDeviceGetCount_v2", Reason: "the NVIDIA driver lists no GPU that can be used"}
	}
	line := contract.ProbeLine{Type: contract.ProbeHello, Count: &count}
	_ = p.calls.do("nvmlSystemGetDriverVersion", nil, func() (r nvml.Return) { line.Driver, r = p.lib.SystemGetDriverVersion(); return })
	_ = p.calls.do("nvmlSystemGetNVMLVersion", nil, func() (r nvml.Return) { line.NVML, r = p.lib.SystemGetNVMLVersion(); return })
	for _, d := range p.devices {
		line.GPUs = append(line.GPUs, d.info)
	}
	p.out.print(line)
	return nil
}

// identify returns the GPU, or its instances when it is partitioned.
func (p *probe) identify(index int, handle nvml.Device) []*device {
	gpu := &device{handle: handle, parent: handle, info: contract.ProbeGPU{Index: index}}
	i := &gpu.info
	if p.calls.do("nvmlDeviceGetUUID", &index, func() (r nvml.Return) { i.UUID, r = handle.GetUUID(); return }) != nvml.SUCCESS {
		i.UUID = fmt.Sprintf("GPU-index-%d", index) // lost already; it still needs a name of its own
	}
	_ = p.calls.do("nvmlDeviceGetName", &index, func() (r nvml.Return) { i.Name, r = handle.GetName(); return })
	var minor int
	if p.calls.do("nvmlDeviceGetMinorNumber", &index, func() (r nvml.Return) { minor, r = handle.GetMinorNumber(); return }) == nvml.SUCCESS {
		i.Minor = &minor
	}
	var pci nvml.PciInfo
	if p.calls.do("nvmlDeviceGetPciInfo_v3", &index, func() (r nvml.Return) { pci, r = handle.GetPciInfo(); return }) == nvml.SUCCESS {
		i.BusID = text(pci.BusId[:])
	}
	var limit uint32
	if p.calls.do("nvmlDeviceGetTemperatureThreshold", &index, func() (r nvml.Return) {
		limit, r = handle.GetTemperatureThreshold(nvml.TEMPERATURE_THRESHOLD_SLOWDOWN)
		return
	}) == nvml.SUCCESS {
		c := float64(limit)
		i.TempSlowdownC = &c
	}
	instances, partitioned := p.instances(gpu)
	if partitioned {
		return instances
	}
	_, i.MemTotal = p.memory(gpu)
	return []*device{gpu}
}

// instances lists the MIG devices of a GPU in MIG mode.
func (p *probe) instances(gpu *device) ([]*device, bool) {
	mode, most := 0, 0
	index := gpu.info.Index
	if p.calls.do("nvmlDeviceGetMigMode", &index, func() (r nvml.Return) { mode, _, r = gpu.handle.GetMigMode(); return }) != nvml.SUCCESS ||
		mode != nvml.DEVICE_MIG_ENABLE {
		return nil, false
	}
	_ = p.calls.do("nvmlDeviceGetMaxMigDeviceCount", &index, func() (r nvml.Return) { most, r = gpu.handle.GetMaxMigDeviceCount(); return })
	var out []*device
	for n := range most {
		var handle nvml.Device
		if p.calls.do("nvmlDeviceGetMigDeviceHandleByIndex", &index, func() (r nvml.Return) {
			handle, r = gpu.handle.GetMigDeviceHandleByIndex(n)
			return
		}) != nvml.SUCCESS {
			continue
		}
		d := &device{handle: handle, parent: gpu.handle, info: gpu.info}
		d.info.MIG = true
		_ = p.calls.do("nvmlDeviceGetUUID", &index, func() (r nvml.Return) { d.info.UUID, r = handle.GetUUID(); return })
		_ = p.calls.do("nvmlDeviceGetName", &index, func() (r nvml.Return) { d.info.Name, r = handle.GetName(); return })
		id := 0
		if p.calls.do("nvmlDeviceGetGpuInstanceId", &index, func() (r nvml.Return) { id, r = handle.GetGpuInstanceId(); return }) == nvml.SUCCESS {
			instance := uint32(id)
			d.instance = &instance
		}
		_, d.info.MemTotal = p.memory(d)
		out = append(out, d)
	}
	return out, true
}

// text ends a C string.
func text[T int8 | uint8](c []T) string {
	b := make([]byte, 0, len(c))
	for _, ch := range c {
		if ch == 0 {
			break
		}
		b = append(b, byte(ch))
	}
	return string(b)
}
