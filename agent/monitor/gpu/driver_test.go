package gpu

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-gpu/fake"
	"github.com/vision-platform/trainer-agent/contract"
)

// The tests of this file run the real probe on a fake driver.

func TestHeartbeatHasTheGPUs(t *testing.T) {
	m := fake.New(t)
	m.Set("gpus 2", "0.util 90", "0.mem_used 1000", "1.power_mw 300000", "0.throttle 4")
	mon, _ := watch(t, m, 20*time.Millisecond)
	until(t, "two GPUs", func() bool { return len(mon.Snapshot()) == 2 })
	got := mon.Snapshot()
	if g := got[0]; g.UUID != "GPU-fake-0" || float64(*g.UtilPercent) != 90 || *g.MemUsedBytes != 1000 || *g.MemTotalBytes != 80<<30 || g.Throttle[0] != "power_cap" {
		t.Errorf("GPU 0: %+v", g)
	}
	if float64(*got[1].PowerW) != 300 || got[1].ECCUncorrected != nil {
		t.Errorf("GPU 1: %+v", got[1])
	}
	for _, used := range []int64{2000, 10} {
		m.Set("gpus 2", "0.util 90", fmt.Sprintf("0.mem_used %d", used))
		until(t, "a sample of this use", func() bool { return *mon.Latest()[0].MemUsedBytes == used })
	}
	if peak := mon.Snapshot()[0]; *peak.MemUsedBytes != 2000 {
		t.Errorf("looking between two heartbeats took the peak away: %d bytes", *peak.MemUsedBytes)
	}
	if idle, known := mon.Idle(); idle || !known {
		t.Errorf("idle %v, known %v at 90 %%", idle, known)
	}
	m.Set("gpus 2")
	until(t, "idle GPUs", func() bool { idle, known := mon.Idle(); return idle && known })
}

func TestXID79IsAnErrorAtOnce(t *testing.T) {
	m := fake.New(t)
	m.Set("gpus 2")
	mon, r := watch(t, m, time.Hour)
	mon.ChildStarted()
	until(t, "a first sample", func() bool { return len(mon.Snapshot()) == 2 })
	set := time.Now()
	m.Set("gpus 2", "xid 1 1 79")
	f := r.wait(t, contract.GPULost)
	t.Logf("told %v after the driver had it", time.Since(set))
	if f.Message != "GPU 1 dropped off the PCIe bus (XID 79)" || !f.Fatal || f.UUID != "GPU-fake-1" || f.XID != 79 {
		t.Errorf("%+v", f)
	}
	if ev := mon.Evidence(); !ev.Watched || len(ev.Faults) != 1 {
		t.Errorf("evidence: %+v", ev)
	}
	until(t, "OnFatal", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.fatal) == 1 })
}

func TestLostGPUIsAnErrorOnce(t *testing.T) {
	m := fake.New(t)
	mon, r := watch(t, m, 20*time.Millisecond)
	until(t, "a first sample", func() bool { return len(mon.Snapshot()) == 1 })
	m.Set("0.lost 1")
	r.wait(t, contract.GPULost)
	until(t, "a heartbeat without the lost values", func() bool {
		s := mon.Snapshot()
		return len(s) == 1 && s[0].TempC == nil
	})
	if n := len(r.kinds()); n != 1 {
		t.Errorf("%d events: %v", n, r.kinds())
	}
}

func TestMissingGPUIsAnError(t *testing.T) {
	m := fake.New(t)
	m.Set("gpus 2")
	mon, r := watch(t, m, 20*time.Millisecond)
	until(t, "a first sample", func() bool { return len(mon.Snapshot()) == 2 })
	m.Set("gpus 1")
	if f := r.wait(t, contract.GPUMissing); f.Message != "Only 1 of 2 GPUs are left" || !f.Fatal {
		t.Errorf("%+v", f)
	}
}

func TestHungDriverIsNamedAndTheProbeReplaced(t *testing.T) {
	m := fake.New(t)
	mon, r := watch(t, m, 20*time.Millisecond)
	until(t, "a first sample", func() bool { return len(mon.Snapshot()) == 1 })
	m.Set("hang nvmlDeviceGetPowerUsage")
	f := r.wait(t, contract.GPUDriver)
	if !strings.Contains(f.Message, "The NVIDIA driver has not answered nvmlDeviceGetPowerUsage for") || !f.Fatal {
		t.Errorf("%+v", f)
	}
	until(t, "no stale values in the heartbeat", func() bool { return mon.Snapshot() == nil })
	m.Set("0.util 12")
	until(t, "a new probe after the driver came back", func() bool {
		s := mon.Snapshot()
		return len(s) == 1 && float64(*s[0].UtilPercent) == 12
	})
	if len(r.fatal) != 0 {
		t.Errorf("a silent driver ended the training: %+v", r.fatal)
	}
}

func TestCrashedProbeIsRestarted(t *testing.T) {
	m := fake.New(t)
	mon, r := watch(t, m, 20*time.Millisecond)
	until(t, "a first sample", func() bool { return len(mon.Snapshot()) == 1 })
	m.Set("crash nvmlDeviceGetTemperature")
	until(t, "silence after the crash", func() bool { return mon.Snapshot() == nil })
	m.Set("0.util 33")
	until(t, "a new probe", func() bool {
		s := mon.Snapshot()
		return len(s) == 1 && float64(*s[0].UtilPercent) == 33
	})
	if k := r.kinds(); len(k) != 0 {
		t.Errorf("events: %v", k)
	}
}

func TestNoDriverIsOneReasonAndNoRetry(t *testing.T) {
	m := fake.New(t)
	m.Set("fail nvmlInit_v2 9")
	starts := 0
	mon, err := New(Options{ProbePath: fake.Probe(t), Env: m.Env(), Start: func(ctx context.Context, args, env []string) (Probe, error) {
		starts++
		return startOS(ctx, args, env)
	}})
	if err != nil {
		t.Fatal(err)
	}
	mon.Run(t.Context())
	if ev := mon.Evidence(); ev.Watched || !strings.Contains(ev.Reason, "the NVIDIA driver is not loaded") || starts != 1 {
		t.Errorf("evidence %+v after %d starts", ev, starts)
	}
	if mon.Snapshot() != nil {
		t.Error("a heartbeat has GPUs that nobody saw")
	}
}

func TestNoProbeBinaryIsOneReason(t *testing.T) {
	mon, err := New(Options{ProbePath: t.TempDir() + "/trainer-gpu", Env: []string{"NVIDIA_VISIBLE_DEVICES=all"}, Start: startOS})
	if err != nil {
		t.Fatal(err)
	}
	mon.Run(t.Context())
	if r := mon.Evidence().Reason; !strings.Contains(r, "can't be started") {
		t.Errorf("reason %q", r)
	}
}

func TestNothingIsStartedWithoutAGPU(t *testing.T) {
	for _, env := range [][]string{nil, {"NVIDIA_VISIBLE_DEVICES="}, {"NVIDIA_VISIBLE_DEVICES=void"}, {"NVIDIA_VISIBLE_DEVICES=none"}} {
		mon, err := New(Options{ProbePath: "x", Env: env, Root: t.TempDir(), Start: func(context.Context, []string, []string) (Probe, error) {
			t.Errorf("started with %v", env)
			return nil, os.ErrInvalid
		}})
		if err != nil {
			t.Fatal(err)
		}
		mon.Run(t.Context())
	}
}
