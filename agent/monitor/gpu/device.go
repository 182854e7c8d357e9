package gpu

import (
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// device is what is known of one GPU or MIG instance.
type device struct {
	info   contract.ProbeGPU // from the hello
	first  contract.ProbeGPU // the first sample with each counter: the baseline
	last   contract.ProbeGPU // every value as last seen
	lastAt time.Time
	window window
	past
	use
}

// past is what earlier samples and events have left, as far as a rule needs it.
type past struct {
	memoryPeak float64 // share of the total
	hotSince   time.Time
	fullSince  time.Time
	throttle   []throttleLook
	crc        []crcLook
	xids       []xidSeen
	lost       bool
	inUse      bool // the memory-in-use check was made
}

// use is whether this job uses the device.
type use struct {
	users  []int // processes of this job that held the device open at the last scan
	used   bool  // some process of this job ever did
	unused bool  // a scan while the training ran found none
}

type throttleLook struct {
	at   time.Time
	bits uint64
}

type crcLook struct {
	at    time.Time
	count int64
}

type xidSeen struct {
	at  time.Time
	xid int
}

// take folds a sample in. Counters come only now and then, so an absent value
// keeps what was known.
func (d *device) take(s contract.ProbeGPU, now time.Time) {
	d.lastAt = now
	d.last.Util, d.last.MemUsed, d.last.TempC, d.last.MemTempC = s.Util, s.MemUsed, s.TempC, s.MemTempC
	d.last.PowerW, d.last.SMClock, d.last.Throttle = s.PowerW, s.SMClock, s.Throttle
	for _, c := range []struct{ first, last, now **int64 }{
		{&d.first.ECCUncorrected, &d.last.ECCUncorrected, &s.ECCUncorrected},
		{&d.first.ECCCorrected, &d.last.ECCCorrected, &s.ECCCorrected},
		{&d.first.PCIeReplay, &d.last.PCIeReplay, &s.PCIeReplay},
		{&d.first.NVLinkCRC, &d.last.NVLinkCRC, &s.NVLinkCRC},
		{&d.first.NVLinkRecovery, &d.last.NVLinkRecovery, &s.NVLinkRecovery},
		{&d.first.RecoveryAction, &d.last.RecoveryAction, &s.RecoveryAction},
	} {
		if *c.now == nil {
			continue
		}
		*c.last = *c.now
		if *c.first == nil {
			*c.first = *c.now
		}
	}
	if s.RemapPending != nil {
		d.last.RemapPending = s.RemapPending
	}
	if s.RemapFailed != nil {
		d.last.RemapFailed = s.RemapFailed
	}
	if total := d.memTotal(); total > 0 && s.MemUsed != nil {
		d.memoryPeak = max(d.memoryPeak, float64(*s.MemUsed)/float64(total))
	}
	d.window.add(s)
}

// fresh: the last sample is not older than a probe may be silent.
func (d *device) fresh(silence time.Duration) bool {
	return !d.lastAt.IsZero() && time.Since(d.lastAt) <= silence
}

func (d *device) memTotal() int64 {
	if d.info.MemTotal == nil {
		return 0
	}
	return *d.info.MemTotal
}

// memoryShare is the part of the memory in use, and whether it is known.
func (d *device) memoryShare() (float64, bool) {
	if d.last.MemUsed == nil || d.memTotal() == 0 {
		return 0, false
	}
	return float64(*d.last.MemUsed) / float64(d.memTotal()), true
}
