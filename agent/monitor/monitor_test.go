package monitor

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/agent/monitor/gpu"
	"github.com/vision-platform/trainer-agent/agent/monitor/resources"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBeforeItsStartNothingIsKnownOfAMachine(t *testing.T) {
	m := Machine{Resources: &Resources{}, GPUs: &GPUs{}}
	if m.Now() != nil || m.Latest() != nil {
		t.Errorf("%+v, %+v", m.Now(), m.Latest())
	}
	if _, gpus := m.Evidence(); gpus.Watched {
		t.Errorf("%+v", gpus)
	}
	if err := errors.Join(m.Resources.Stop(t.Context()), m.GPUs.Stop(t.Context())); err != nil {
		t.Error(err)
	}
}

// A machine without a probe is watched all the same, and a lost GPU ends the job only
// where that was asked for.
func TestAMachineIsWatchedFromStartToStop(t *testing.T) {
	noProbe := func(context.Context, []string, []string) (gpu.Probe, error) { return nil, errors.New("no probe here") }
	for _, stops := range []bool{false, true} {
		m := Machine{
			Resources: &Resources{Options: resources.Options{Workspace: t.TempDir()}},
			GPUs:      &GPUs{StopsJob: stops, Options: gpu.Options{ProbePath: "trainer-gpu", Start: noProbe, OnEvent: func(contract.EventType, string, any) {}}},
		}
		if err := errors.Join(m.Resources.Start(t.Context()), m.GPUs.Start(t.Context())); err != nil {
			t.Fatal(err)
		}
		if now := m.Now(); now == nil || now.Memory == nil || now.Memory.UsedBytes == 0 {
			t.Errorf("%+v", now)
		}
		if lost := m.GPUs.Lost(); (lost != nil) != stops {
			t.Errorf("a lost GPU ends the job: %v, want %v", lost != nil, stops)
		}
		if m.GPUs.Busy() {
			t.Error("no GPU is known, and one works")
		}
		if err := errors.Join(m.Resources.Stop(t.Context()), m.GPUs.Stop(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

func TestTheNodeThatAFaultConcernsIsNamedForThePersonWhoDrainsIt(t *testing.T) {
	for name, c := range map[string]struct {
		node  string
		event contract.EventType
		want  string
	}{
		"an error":              {"gpu-7", contract.EventGPUError, "It is lost. Drain the node gpu-7."},
		"a warning":             {"gpu-7", contract.EventGPUWarning, "It is lost."},
		"a node without a name": {"", contract.EventGPUError, "It is lost."},
	} {
		var said string
		w := &GPUs{Node: c.node}
		w.named(func(_ contract.EventType, message string, _ any) { said = message })(c.event, "It is lost.", nil)
		if said != c.want {
			t.Errorf("%s: %q, want %q", name, said, c.want)
		}
	}
}
