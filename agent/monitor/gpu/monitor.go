package gpu

import (
	"errors"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Monitor watches the GPUs of one job. Its methods may be called from any
// goroutine; Run once.
type Monitor struct {
	opts     Options
	patience time.Duration // tests of a real hung driver wait less
	begun    chan struct{} // the child has started: look soon which GPUs it uses

	mu      sync.Mutex
	fleet   fleet
	reason  string // why nothing is watched, "" while something is
	watched bool   // a hello came
	ledger  ledger
}

// childState is the training's life as far as the judgement needs it.
type childState struct {
	started, ended time.Time // zero = not yet
}

// New checks the options. It starts nothing.
func New(opts Options) (*Monitor, error) {
	if opts.Start == nil || opts.ProbePath == "" {
		return nil, errors.New("watching GPUs: no starter or no path of the probe given")
	}
	m := &Monitor{opts: opts.withDefaults(), fleet: fleet{table: xidTable{opts.XIDFatal, opts.XIDIgnore}}, patience: patience, begun: make(chan struct{}, 1)}
	m.reason = "the probe was not started yet"
	return m, nil
}

// ChildStarted tells that the training runs from now on.
func (m *Monitor) ChildStarted() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fleet.child = childState{started: time.Now()}
	select {
	case m.begun <- struct{}{}:
	default:
	}
}

// ChildEnded tells that the training is over: XIDs from now on are not its own.
func (m *Monitor) ChildEnded() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fleet.child.ended = time.Now()
}

// Snapshot returns the GPUs for one heartbeat: means and maxima since the call
// before. It is nil when nothing is known, also while the probe is silent.
func (m *Monitor) Snapshot() []contract.GPU { return m.each((*device).snapshot) }

// Latest returns the GPUs as last sampled, for those who look between heartbeats:
// it takes nothing out of their means and maxima.
func (m *Monitor) Latest() []contract.GPU { return m.each((*device).latest) }

func (m *Monitor) each(look func(*device) contract.GPU) (out []contract.GPU) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.fleet.devices {
		if d.fresh(m.opts.Period + m.patience) {
			out = append(out, look(d))
		}
	}
	return out
}

// Idle reports whether no GPU computed in the last sample. known is false
// without a fresh sample of every GPU and for MIG instances, which count no
// utilisation.
func (m *Monitor) Idle() (idle, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.fleet.devices {
		if !d.fresh(m.opts.Period+m.patience) || d.last.Util == nil {
			return false, false
		}
		if *d.last.Util > 0 {
			return false, true
		}
	}
	return len(m.fleet.devices) > 0, len(m.fleet.devices) > 0
}

// Evidence returns what was seen so far, for the diagnosis.
func (m *Monitor) Evidence() contract.GPUEvidence {
	m.mu.Lock()
	defer m.mu.Unlock()
	ev := contract.GPUEvidence{Watched: m.watched, Reason: m.reason, Faults: append([]contract.GPUFault(nil), m.ledger.faults...)}
	for _, d := range m.fleet.devices {
		ev.MemoryPeak = max(ev.MemoryPeak, 100*d.memoryPeak)
	}
	return ev
}

// accept takes one line of the probe and returns the faults that it shows.
func (m *Monitor) accept(line contract.ProbeLine, now time.Time) []contract.GPUFault {
	m.mu.Lock()
	defer m.mu.Unlock()
	if line.Type == contract.ProbeHello {
		m.watched, m.reason = true, ""
	}
	return m.fleet.accept(line, now)
}

// raise books faults under the lock and tells of them after it.
func (m *Monitor) raise(faults []contract.GPUFault) {
	for _, f := range faults {
		m.mu.Lock()
		f, tell := m.ledger.book(f)
		m.mu.Unlock()
		if !tell {
			continue
		}
		kind := contract.EventGPUWarning
		if f.Fatal {
			kind = contract.EventGPUError
		}
		m.opts.Logger.Debug(f.Message, "event", kind, "gpu", f.UUID, "xid", f.XID)
		m.opts.OnEvent(kind, f.Message+".", f)
		if f.Fatal && endsTraining(f.Kind) {
			m.opts.OnFatal(f)
		}
	}
}

// endsTraining: the kinds after which the GPU can't be used without a reset. A
// silent driver, a contained error or a counter leaves training alone: CUDA
// itself ends it when it must.
func endsTraining(kind contract.GPUFaultKind) bool {
	switch kind {
	case contract.GPULost, contract.GPUMissing, contract.GPUNeedsReset, contract.GPUMachine:
		return true
	}
	return false
}
