package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/cmd/trainer-gpu/fake"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
)

// onGPUs runs a job beside the real probe on a scripted driver.
func onGPUs(t *testing.T, m *fake.Machine, scenario string) *job {
	t.Helper()
	j := newJob(t, scenario).with("AGENT_GPU_PROBE", fake.Probe(t), "AGENT_HEARTBEAT_INTERVAL", "1s")
	for _, kv := range m.Env() {
		if name, value, _ := strings.Cut(kv, "="); name == "LD_LIBRARY_PATH" || strings.HasPrefix(name, "NVIDIA_") {
			j.env[name] = value
		}
	}
	return j
}

// hasGPUs: some heartbeat named so many GPUs.
func hasGPUs(n int) func([]backend.Call) bool {
	return func(calls []backend.Call) bool {
		for _, c := range backend.Accepted(calls, contract.KindHeartbeat) {
			var h contract.Heartbeat
			if c.Decode(&h) == nil && h.System != nil && len(h.System.GPUs) == n {
				return true
			}
		}
		return false
	}
}

func TestGPULostStopsTheTrainingWhenAsked(t *testing.T) {
	m := fake.New(t)
	m.Set("gpus 2", "0.util 88")
	j := onGPUs(t, m, "waits").with("AGENT_ON_GPU_ERROR", "stop").start().ready()
	j.until("a heartbeat names the GPUs", hasGPUs(2))
	m.Set("gpus 2", "0.util 88", "xid 1 1 79")
	if code := j.wait(); code != contract.ExitInfra {
		t.Fatalf("exit code %d\n%s", code, j.stderr.String())
	}
	d := j.done()
	if d.Error == nil || d.Error.Code != contract.CodeGPULost || !d.Error.Retryable || !strings.Contains(*d.ErrorMessage, "GPU 1 dropped off the PCIe bus (XID 79)") {
		t.Errorf("done: %+v", d.Error)
	}
	if len(j.events(contract.EventGPUError)) != 1 {
		t.Error("no gpu_error event")
	}
}

func TestGPUErrorDoesNotTouchAHealthyTraining(t *testing.T) {
	m := fake.New(t)
	m.Set("gpus 2", "1.field.230 1") // one needs a reset, says the driver, all the time
	j := onGPUs(t, m, "ok").mustExit(0)
	if d := j.done(); d.Status != contract.StatusSucceeded {
		t.Errorf("done: %+v", d)
	}
	if len(j.events(contract.EventGPUError)) != 1 {
		t.Error("no gpu_error event")
	}
}

func TestHungDriverDisturbsNothing(t *testing.T) {
	m := fake.New(t)
	m.Set("hang nvmlInit_v2")
	j := onGPUs(t, m, "ok").mustExit(0)
	if d := j.done(); d.Status != contract.StatusSucceeded {
		t.Errorf("done: %+v", d)
	}
	if left := j.processes(); len(left) > 0 {
		t.Errorf("processes %v outlived the agent", left)
	}
}

func TestNoDriverIsOneLogLine(t *testing.T) {
	m := fake.New(t)
	m.Set("fail nvmlInit_v2 9")
	j := onGPUs(t, m, "ok").mustExit(0)
	if n := strings.Count(j.stderr.String(), "the NVIDIA driver is not loaded"); n != 1 {
		t.Errorf("%d log lines tell the reason\n%s", n, j.stderr.String())
	}
	if len(j.events(contract.EventGPUWarning))+len(j.events(contract.EventGPUError)) != 0 {
		t.Error("a machine without a GPU raised GPU events")
	}
}

// The training can write to the working directory, and nothing confines the probe.
func TestTheProbeLoadsNoLibraryOfTheWorkingDirectory(t *testing.T) {
	for _, folders := range []string{":", "/nowhere::.", "lib", ";lib"} {
		m := fake.New(t)
		m.Set("fail nvmlInit_v2 9")
		j := onGPUs(t, m, "ok")
		planted := j.env["LD_LIBRARY_PATH"]
		if err := os.Symlink(planted, filepath.Join(planted, "lib")); err != nil {
			t.Fatal(err)
		}
		j.prefix = []string{"env", "-C", planted}
		j.with("LD_LIBRARY_PATH", folders).mustExit(0)
		if log := j.stderr.String(); strings.Contains(log, "the NVIDIA driver is not loaded") || !strings.Contains(log, "libnvidia-ml.so.1 was not found") {
			t.Errorf("LD_LIBRARY_PATH=%s: the planted library was loaded, or nothing was tried\n%s", folders, log)
		}
	}
}

func TestDoctorAsksTheDriver(t *testing.T) {
	for what, c := range map[string]struct{ machine, says string }{
		"two GPUs":  {"gpus 2", "green   gpu          2 × "},
		"no driver": {"fail nvmlInit_v2 9", "and DEVICE is cuda"},
	} {
		m := fake.New(t)
		m.Set(c.machine)
		j := onGPUs(t, m, "ok").with("DEVICE", "cuda")
		out, _ := command(j, "doctor").CombinedOutput() // red without a driver
		if !strings.Contains(string(out), c.says) {
			t.Errorf("%s: %s", what, out)
		}
	}
}
