package gpu

import "time"

// Every threshold of the room in one place. The slowdown temperature, the return
// codes and the throttle bits are the driver's; the numbers below have no source
// outside this project.
const (
	hotBelowSlowdown = 5.0 // degrees Celsius
	hotFor           = 60 * time.Second
	thermalShare     = 0.20 // of the samples in throttleWindow
	powerBrakeShare  = 0.05
	throttleWindow   = 5 * time.Minute
	memoryFull       = 0.97
	memoryFullFor    = 60 * time.Second
	memoryInUse      = 1 << 30 // bytes, before the child starts
	nvlinkPerMinute  = 1000.0
	nvlinkFor        = 3 * time.Minute
	repeatAfter      = 10 * time.Minute // between two events of one kind and GPU
	suspectWithin    = 24 * time.Hour   // two application XIDs
	maxFaults        = 64               // kept as evidence

	patience    = 10 * time.Second // a line is late after period + patience
	initExtra   = 40 * time.Second // a driver without persistence mode wakes every GPU first
	stopWait    = 2 * time.Second  // after each of end of input, SIGTERM, SIGKILL
	backoffMax  = 60 * time.Second
	failuresMax = 5 // within failureSpan
	failureSpan = 10 * time.Minute
	offFor      = 10 * time.Minute
	maxLine     = 1 << 20 // bytes
)

// Bits of nvmlClocksEventReason*, nvml.h. The software power cap (4) is a GPU at
// work and is never warned about.
var throttleWords = []struct {
	bit  uint64
	word string
}{
	{0x04, "power_cap"}, {0x08, "hw_slowdown"}, {0x10, "sync_boost"},
	{0x20, "thermal"}, {0x40, "hw_thermal"}, {0x80, "power_brake"},
}

const (
	thermalBits    = 0x20 | 0x40
	powerBrakeBits = 0x80
)

func words(bits uint64) []string {
	var out []string
	for _, t := range throttleWords {
		if bits&t.bit != 0 {
			out = append(out, t.word)
		}
	}
	return out
}
