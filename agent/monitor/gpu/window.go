package gpu

import (
	"github.com/vision-platform/trainer-agent/contract"
)

// window gathers the samples between two heartbeats.
type window struct {
	util, power, clock mean
	memUsed            *int64
	temp, memTemp      *float64
	throttle           uint64
}

type mean struct {
	sum float64
	n   int
}

func (m *mean) add(v *float64) {
	if v != nil {
		m.sum, m.n = m.sum+*v, m.n+1
	}
}

func (m mean) number() *contract.Number {
	if m.n == 0 {
		return nil
	}
	n := contract.Number(m.sum / float64(m.n))
	return &n
}

func (w *window) add(s contract.ProbeGPU) {
	w.util.add(s.Util)
	w.power.add(s.PowerW)
	w.clock.add(s.SMClock)
	w.memUsed = larger(w.memUsed, s.MemUsed)
	w.temp = larger(w.temp, s.TempC)
	w.memTemp = larger(w.memTemp, s.MemTempC)
	if s.Throttle != nil {
		w.throttle |= *s.Throttle
	}
}

func larger[T int64 | float64](a, b *T) *T {
	if a == nil || (b != nil && *b > *a) {
		return b
	}
	return a
}

// snapshot returns the window and begins a new one. Without a sample since the
// last call the last sample stands for the window.
func (d *device) snapshot() contract.GPU {
	w := d.window
	d.window = window{}
	if w == (window{}) {
		return d.latest()
	}
	return d.report(w)
}

// latest returns the last sample and leaves the window as it is.
func (d *device) latest() contract.GPU {
	var w window
	w.add(d.last)
	return d.report(w)
}

func (d *device) report(w window) contract.GPU {
	return contract.GPU{
		UUID: d.info.UUID, Index: d.info.Index, Name: d.info.Name,
		UtilPercent: w.util.number(), MemUsedBytes: w.memUsed, MemTotalBytes: d.info.MemTotal,
		TempC: number(w.temp), MemTempC: number(w.memTemp),
		PowerW: w.power.number(), SMClockMHz: w.clock.number(), Throttle: words(w.throttle),
		ECCUncorrected: d.last.ECCUncorrected, ECCCorrected: d.last.ECCCorrected,
		RemapPending: d.last.RemapPending, RemapFailed: d.last.RemapFailed,
		PCIeReplay: d.last.PCIeReplay, NVLinkErrors: sum(d.last.NVLinkCRC, d.last.NVLinkRecovery),
		RecoveryAction: d.last.RecoveryAction,
	}
}

func number(v *float64) *contract.Number {
	if v == nil {
		return nil
	}
	n := contract.Number(*v)
	return &n
}

func sum(a, b *int64) *int64 {
	if a == nil || b == nil {
		return larger(a, b)
	}
	total := *a + *b
	return &total
}
