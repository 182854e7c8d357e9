package gpu

import (
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// A rule looks at a device after a sample and answers with a fault or none; the ledger
// sees to it that a lasting one is told once in ten minutes.
type rule func(d *device, now time.Time, child childState) (contract.GPUFault, bool)

var rules = []rule{
	recoveryAction, uncorrectable, remapFailed, remapPending, nvlinkRecovery, nvlinkCRC,
	hot, thermal, powerBrake, memoryIsFull, inUseBefore,
}

func (d *device) judge(now time.Time, child childState) (faults []contract.GPUFault) {
	for _, rule := range rules {
		if f, ok := rule(d, now, child); ok {
			faults = append(faults, f)
		}
	}
	return faults
}

var recoveryWords = map[int64]string{1: "a reset", 2: "a reboot of the machine", 3: "its peer traffic drained", 4: "to be drained and reset"}

func recoveryAction(d *device, now time.Time, _ childState) (contract.GPUFault, bool) {
	a := d.last.RecoveryAction
	if a == nil || *a == 0 {
		return contract.GPUFault{}, false
	}
	word, ok := recoveryWords[*a]
	if !ok {
		word = "recovery"
	}
	return d.fault(contract.GPUNeedsReset, true, now, "GPU %d needs %s, says the driver (recovery action %d)", d.info.Index, word, *a), true
}

func uncorrectable(d *device, now time.Time, _ childState) (contract.GPUFault, bool) {
	n, grew := grown(d.first.ECCUncorrected, d.last.ECCUncorrected)
	if !grew {
		return contract.GPUFault{}, false
	}
	d.first.ECCUncorrected = d.last.ECCUncorrected // the next one is news again
	return d.fault(contract.GPUECC, true, now, "GPU %d had %d uncorrectable memory errors (ECC)", d.info.Index, n), true
}

func remapFailed(d *device, now time.Time, _ childState) (contract.GPUFault, bool) {
	return d.fault(contract.GPURemapFailed, true, now, "GPU %d could not replace a bad memory row", d.info.Index), isTrue(d.last.RemapFailed)
}

func remapPending(d *device, now time.Time, _ childState) (contract.GPUFault, bool) {
	return d.fault(contract.GPURemapPending, false, now, "GPU %d has a bad memory row that is replaced at its next reset", d.info.Index), isTrue(d.last.RemapPending)
}

func nvlinkRecovery(d *device, now time.Time, _ childState) (contract.GPUFault, bool) {
	n, grew := grown(d.first.NVLinkRecovery, d.last.NVLinkRecovery)
	if !grew {
		return contract.GPUFault{}, false
	}
	d.first.NVLinkRecovery = d.last.NVLinkRecovery
	return d.fault(contract.GPUNVLink, false, now, "NVLink of GPU %d recovered from errors %d times", d.info.Index, n), true
}

// nvlinkCRC warns when the count grew by more than the limit a minute over the
// whole window.
func nvlinkCRC(d *device, now time.Time, _ childState) (contract.GPUFault, bool) {
	if d.last.NVLinkCRC == nil {
		return contract.GPUFault{}, false
	}
	d.crc = append(d.crc, crcLook{now, *d.last.NVLinkCRC})
	for len(d.crc) > 1 && now.Sub(d.crc[1].at) >= nvlinkFor {
		d.crc = d.crc[1:]
	}
	span := now.Sub(d.crc[0].at)
	rate := float64(*d.last.NVLinkCRC-d.crc[0].count) / max(span.Minutes(), 1e-9)
	if span < nvlinkFor || rate <= nvlinkPerMinute {
		return contract.GPUFault{}, false
	}
	return d.fault(contract.GPUNVLink, false, now, "NVLink of GPU %d has %.0f CRC errors a minute", d.info.Index, rate), true
}

func hot(d *device, now time.Time, _ childState) (contract.GPUFault, bool) {
	limit := d.info.TempSlowdownC
	hot := limit != nil && d.last.TempC != nil && *d.last.TempC >= *limit-hotBelowSlowdown
	if !lasts(&d.hotSince, hot, now, hotFor) {
		return contract.GPUFault{}, false
	}
	return d.fault(contract.GPUHot, false, now, "GPU %d is at %.0f °C and slows down at %.0f °C", d.info.Index, *d.last.TempC, *limit), true
}

func thermal(d *device, now time.Time, _ childState) (contract.GPUFault, bool) {
	share, known := d.throttleShare(now, thermalBits)
	if !known || share <= thermalShare {
		return contract.GPUFault{}, false
	}
	return d.fault(contract.GPUHot, false, now, "GPU %d slowed down for heat %.0f %% of the last 5 minutes", d.info.Index, 100*share), true
}

func powerBrake(d *device, now time.Time, _ childState) (contract.GPUFault, bool) {
	share, known := d.throttleShare(now, powerBrakeBits)
	if !known || share <= powerBrakeShare {
		return contract.GPUFault{}, false
	}
	return d.fault(contract.GPUPowerBrake, false, now, "GPU %d was braked by the power supply %.0f %% of the last 5 minutes", d.info.Index, 100*share), true
}

// throttleShare is the share of the samples in the window with one of the bits;
// known once the samples span the window.
func (d *device) throttleShare(now time.Time, bits uint64) (float64, bool) {
	if d.last.Throttle == nil {
		return 0, false
	}
	if n := len(d.throttle); n == 0 || d.throttle[n-1].at != now {
		d.throttle = append(d.throttle, throttleLook{now, *d.last.Throttle})
	}
	for len(d.throttle) > 1 && now.Sub(d.throttle[1].at) >= throttleWindow {
		d.throttle = d.throttle[1:]
	}
	if now.Sub(d.throttle[0].at) < throttleWindow {
		return 0, false
	}
	hits := 0
	for _, l := range d.throttle {
		if l.bits&bits != 0 {
			hits++
		}
	}
	return float64(hits) / float64(len(d.throttle)), true
}

func memoryIsFull(d *device, now time.Time, _ childState) (contract.GPUFault, bool) {
	share, known := d.memoryShare()
	if !lasts(&d.fullSince, known && share > memoryFull, now, memoryFullFor) {
		return contract.GPUFault{}, false
	}
	return d.fault(contract.GPUMemoryFull, false, now, "GPU %d uses %.0f %% of its memory (%s)", d.info.Index, 100*share, contract.Bytes(d.memTotal())), true
}

// inUseBefore looks once, at the first sample, if that is before the child.
func inUseBefore(d *device, now time.Time, child childState) (contract.GPUFault, bool) {
	if d.inUse {
		return contract.GPUFault{}, false
	}
	d.inUse = true
	used := d.last.MemUsed
	if !child.started.IsZero() || used == nil || *used <= memoryInUse {
		return contract.GPUFault{}, false
	}
	return d.fault(contract.GPUMemoryInUse, false, now, "GPU %d had %s in use before training started", d.info.Index, contract.Bytes(*used)), true
}

// lasts reports whether a condition has held for a time.
func lasts(since *time.Time, holds bool, now time.Time, atLeast time.Duration) bool {
	if !holds {
		*since = time.Time{}
		return false
	}
	if since.IsZero() {
		*since = now
	}
	return now.Sub(*since) >= atLeast
}

func grown(first, last *int64) (int64, bool) {
	if first == nil || last == nil || *last <= *first {
		return 0, false
	}
	return *last - *first, true
}

func isTrue(b *bool) bool { return b != nil && *b }
