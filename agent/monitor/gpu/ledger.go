package gpu

import (
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// ledger keeps the faults as evidence and limits how often one is told.
type ledger struct {
	faults []contract.GPUFault // oldest first
	told   map[faultKey]*telling
}

type faultKey struct {
	kind contract.GPUFaultKind
	uuid string
	xid  int
}

type telling struct {
	at    time.Time
	count int // not told since
}

// book keeps the fault and says whether to tell of it, with the count of the
// same ones that were not told of.
func (l *ledger) book(f contract.GPUFault) (contract.GPUFault, bool) {
	if l.told == nil {
		l.told = map[faultKey]*telling{}
	}
	key := faultKey{f.Kind, f.UUID, f.XID}
	t, ok := l.told[key]
	if ok && f.Time.Sub(t.at) < repeatAfter {
		t.count++
		return f, false
	}
	f.Count = 1
	if ok {
		f.Count += t.count
	}
	l.told[key] = &telling{at: f.Time}
	l.keep(f)
	return f, true
}

// keep bounds the evidence: the first faults tell the cause, the last ones the
// end, so the middle goes.
func (l *ledger) keep(f contract.GPUFault) {
	if len(l.faults) >= maxFaults {
		l.faults = append(l.faults[:maxFaults/2], l.faults[maxFaults/2+1:]...)
	}
	l.faults = append(l.faults, f)
}
