// Package monitor watches what a training runs on: the container's resources and its
// GPUs, from the first phase on, because a download can fill a disk too.
//
// It promises that a fault of the watching never touches the job: a machine without
// GPUs, a driver that hangs or a probe that is missing are said once and passed over.
// What to measure and when to warn are the sub-rooms' to know; what to do about it is
// the caller's.
package monitor

import (
	"context"
	"sync"

	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/agent/monitor/gpu"
	"github.com/vision-platform/trainer-agent/agent/monitor/resources"
	"github.com/vision-platform/trainer-agent/contract"
)

// Resources watches the container.
type Resources struct {
	Options resources.Options

	Sampler *resources.Sampler // nil before Start
	stage.Background
}

// Start begins to sample.
func (w *Resources) Start(ctx context.Context) (err error) {
	if w.Sampler, err = resources.New(w.Options); err != nil {
		return err
	}
	w.Run = w.Sampler.Run
	return w.Background.Start(ctx)
}

// GPUs runs the GPU probe where there are GPUs. A machine without one is told so in
// one log line by the room.
type GPUs struct {
	Options  gpu.Options // OnFatal is the GPUs'
	StopsJob bool        // a GPU that is no use any more ends the job, AGENT_ON_GPU_ERROR
	Node     string      // NODE_NAME; may be empty

	Monitor *gpu.Monitor  // nil before Start
	lost    chan struct{} // closed when a GPU is no use any more
	stage.Background
}

// Start begins to watch.
func (w *GPUs) Start(ctx context.Context) (err error) {
	w.lost = make(chan struct{})
	var first sync.Once
	o := w.Options
	o.OnEvent = w.named(o.OnEvent)
	o.OnFatal = func(contract.GPUFault) { first.Do(func() { close(w.lost) }) }
	if w.Monitor, err = gpu.New(o); err != nil {
		return err
	}
	w.Run = w.Monitor.Run
	return w.Background.Start(ctx)
}

// named adds to an error the node that it concerns, for the person who drains it.
func (w *GPUs) named(emit func(contract.EventType, string, any)) func(contract.EventType, string, any) {
	if w.Node == "" {
		return emit
	}
	return func(event contract.EventType, message string, data any) {
		if event == contract.EventGPUError {
			message += " Drain the node " + w.Node + "."
		}
		emit(event, message, data)
	}
}

// Lost fires when a GPU is no use any more and that ends the job.
func (w *GPUs) Lost() <-chan struct{} {
	if !w.StopsJob {
		return nil
	}
	return w.lost
}

// Busy reports whether a GPU is known to work.
func (w *GPUs) Busy() bool {
	idle, known := w.Monitor.Idle()
	return known && !idle
}

// Machine is both together.
type Machine struct {
	Resources *Resources
	GPUs      *GPUs
}

// Now is what heartbeats carry as system.
func (m Machine) Now() *contract.System {
	if m.Resources.Sampler == nil {
		return nil
	}
	s := m.Resources.Sampler.Sample()
	if s == nil {
		s = &contract.System{}
	}
	if m.GPUs.Monitor != nil {
		s.GPUs = m.GPUs.Monitor.Snapshot()
	}
	return s
}

// Latest is for the metrics endpoint: a scrape takes nothing out of the means and
// maxima that the next heartbeat reports.
func (m Machine) Latest() *contract.System {
	if m.Resources.Sampler == nil {
		return nil
	}
	s := m.Resources.Sampler.Latest()
	if m.GPUs.Monitor != nil {
		s.GPUs = m.GPUs.Monitor.Latest()
	}
	return s
}

// Evidence is what was seen until the end.
func (m Machine) Evidence() (system contract.SystemEvidence, gpus contract.GPUEvidence) {
	if m.Resources.Sampler != nil {
		system = m.Resources.Sampler.Evidence()
	}
	if m.GPUs.Monitor != nil {
		gpus = m.GPUs.Monitor.Evidence()
	}
	return system, gpus
}

// ChildStarted tells both whom to look at.
func (m Machine) ChildStarted(pid int) {
	m.GPUs.Monitor.ChildStarted()
	m.Resources.Sampler.CheckChild(pid)
}

// ChildEnded tells that nobody trains any more.
func (m Machine) ChildEnded() { m.GPUs.Monitor.ChildEnded() }
