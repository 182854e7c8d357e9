//go:build cgo && linux

package main

import (
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/vision-platform/trainer-agent/contract"
)

// tellAgain is how long the same error of the same device is not repeated.
const tellAgain = time.Minute

type reportKey struct {
	uuid string
	ret  nvml.Return
}

// sample prints every device's values; with counters also what changes seldom.
func (p *probe) sample(counters bool) {
	line := contract.ProbeLine{Type: contract.ProbeSample}
	count := 0
	if p.calls.do("nvmlDeviceGetCount_v2", nil, func() (r nvml.Return) { count, r = p.lib.DeviceGetCount(); return }) == nvml.SUCCESS {
		line.Count = &count
	}
	for _, d := range p.devices {
		line.GPUs = append(line.GPUs, p.look(d, counters))
	}
	p.out.print(line)
}

// look reads one device. A value that the driver does not give is absent.
func (p *probe) look(d *device, counters bool) contract.ProbeGPU {
	s := contract.ProbeGPU{Index: d.info.Index, UUID: d.info.UUID}
	if d.instance == nil { // an instance counts no utilisation
		var u nvml.Utilization
		if p.ask(d, "nvmlDeviceGetUtilizationRates", func() (r nvml.Return) { u, r = d.handle.GetUtilizationRates(); return }) {
			v := float64(u.Gpu)
			s.Util = &v
		}
	}
	s.MemUsed, _ = p.memory(d)
	s.TempC = p.unsigned(d, "nvmlDeviceGetTemperature", 1, func() (uint32, nvml.Return) { return d.parent.GetTemperature(nvml.TEMPERATURE_GPU) })
	s.PowerW = p.unsigned(d, "nvmlDeviceGetPowerUsage", 1000, d.parent.GetPowerUsage)
	s.SMClock = p.unsigned(d, "nvmlDeviceGetClockInfo", 1, func() (uint32, nvml.Return) { return d.parent.GetClockInfo(nvml.CLOCK_SM) })
	s.Throttle = p.throttle(d)
	p.fields(d, &s, counters)
	return s
}

// ask makes one call about a device and reports errors that tell of its health.
func (p *probe) ask(d *device, symbol string, call func() nvml.Return) bool {
	index := d.info.Index
	ret := p.calls.do(symbol, &index, call)
	switch ret {
	case nvml.SUCCESS:
		return true
	case nvml.ERROR_GPU_IS_LOST, nvml.ERROR_RESET_REQUIRED, nvml.ERROR_UNKNOWN, nvml.ERROR_IRQ_ISSUE:
		p.tell(d, symbol, ret)
	}
	return false
}

func (p *probe) tell(d *device, symbol string, ret nvml.Return) {
	if p.reported == nil {
		p.reported = map[reportKey]time.Time{}
	}
	key := reportKey{d.info.UUID, ret}
	if at, ok := p.reported[key]; ok && time.Since(at) < tellAgain {
		return
	}
	p.reported[key] = time.Now()
	index := d.info.Index
	p.out.print(contract.ProbeLine{Type: contract.ProbeError, Call: symbol, Index: &index, UUID: d.info.UUID, Ret: int(ret)})
}

func (p *probe) unsigned(d *device, symbol string, divisor float64, get func() (uint32, nvml.Return)) *float64 {
	var raw uint32
	if !p.ask(d, symbol, func() (r nvml.Return) { raw, r = get(); return }) {
		return nil
	}
	v := float64(raw) / divisor
	return &v
}

// memory asks the newer call first: it leaves out what the driver reserves, as
// nvidia-smi does.
func (p *probe) memory(d *device) (used, total *int64) {
	if p.calls.known("nvmlDeviceGetMemoryInfo_v2") {
		var m nvml.Memory_v2
		if p.ask(d, "nvmlDeviceGetMemoryInfo_v2", func() (r nvml.Return) { m, r = d.handle.GetMemoryInfo_v2(); return }) {
			return signed(m.Used), signed(m.Total)
		}
	}
	var m nvml.Memory
	if p.ask(d, "nvmlDeviceGetMemoryInfo", func() (r nvml.Return) { m, r = d.handle.GetMemoryInfo(); return }) {
		return signed(m.Used), signed(m.Total)
	}
	return nil, nil
}

func signed(v uint64) *int64 {
	n := int64(v)
	return &n
}

func (p *probe) throttle(d *device) *uint64 {
	symbol, get := "nvmlDeviceGetCurrentClocksEventReasons", d.parent.GetCurrentClocksEventReasons
	if !p.calls.known(symbol) { // its name before driver 535
		symbol, get = "nvmlDeviceGetCurrentClocksThrottleReasons", d.parent.GetCurrentClocksThrottleReasons
	}
	var bits uint64
	if !p.ask(d, symbol, func() (r nvml.Return) { bits, r = get(); return }) {
		return nil
	}
	return &bits
}
