//go:build cgo && linux

package main

import (
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/vision-platform/trainer-agent/contract"
)

const (
	eventWait  = 5 * time.Second
	eventPause = time.Second // after an error: a tight loop burned a core
	anyPart    = 0xFFFFFFFF  // GPU instance id of an event without MIG
)

// events prints XIDs as they come. Under MIG the parent is registered, since
// instances have no events of their own, and an event is given to its instance.
func (p *probe) events() {
	set, ok := p.register()
	if !ok {
		return
	}
	symbol := "nvmlEventSetWait_v2"
	if !p.calls.known(symbol) { // its name before driver 450
		symbol = "nvmlEventSetWait"
	}
	for {
		var e nvml.EventData
		ret := p.calls.wait(symbol, nil, eventWait, func() (r nvml.Return) {
			e, r = set.Wait(uint32(eventWait.Milliseconds()))
			return
		})
		switch ret {
		case nvml.SUCCESS:
			p.event(e)
		case nvml.ERROR_TIMEOUT:
		case nvml.ERROR_FUNCTION_NOT_FOUND:
			return
		default:
			time.Sleep(eventPause)
		}
	}
}

func (p *probe) register() (nvml.EventSet, bool) {
	var set nvml.EventSet
	if p.calls.do("nvmlEventSetCreate", nil, func() (r nvml.Return) { set, r = p.lib.EventSetCreate(); return }) != nvml.SUCCESS {
		return nil, false
	}
	registered := map[nvml.Device]bool{}
	for _, d := range p.devices {
		if registered[d.parent] {
			continue
		}
		index := d.info.Index
		if p.calls.do("nvmlDeviceRegisterEvents", &index, func() nvml.Return {
			return d.parent.RegisterEvents(nvml.EventTypeXidCriticalError, set)
		}) == nvml.SUCCESS {
			registered[d.parent] = true
		}
	}
	return set, len(registered) > 0
}

// event prints an XID for every device that it concerns and asks for the
// counters.
func (p *probe) event(e nvml.EventData) {
	if e.EventType != nvml.EventTypeXidCriticalError {
		return
	}
	for _, d := range p.devices {
		if d.parent != e.Device || (d.instance != nil && e.GpuInstanceId != anyPart && *d.instance != e.GpuInstanceId) {
			continue
		}
		index := d.info.Index
		p.out.print(contract.ProbeLine{Type: contract.ProbeEvent, Index: &index, UUID: d.info.UUID, XID: int(e.EventData), Data: e.EventData})
	}
	select {
	case p.kick <- struct{}{}:
	default:
	}
}
