package main_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-gpu/fake"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestMain(m *testing.M) {
	code := m.Run()
	fake.Remove()
	os.Exit(code)
}

// running is a probe that was started on a fake machine.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan contract.ProbeLine
}

func start(t *testing.T, env []string, args ...string) *running {
	t.Helper()
	cmd := exec.Command(fake.Probe(t), args...)
	cmd.Env = env
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, cmd: cmd, stdin: stdin, lines: make(chan contract.ProbeLine, 1000)}
	go func() {
		defer close(r.lines)
		for sc := bufio.NewScanner(stdout); sc.Scan(); {
			var line contract.ProbeLine
			if err := json.Unmarshal(sc.Bytes(), &line); err != nil {
				line.Reason = "not JSON: " + sc.Text()
			}
			r.lines <- line
		}
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill(); _, _ = cmd.Process.Wait() })
	return r
}

// next waits for a line that fits; a minute without one is a failure.
func (r *running) next(what string, fits func(contract.ProbeLine) bool) contract.ProbeLine {
	r.t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				r.t.Fatalf("the probe ended before: %s", what)
			}
			if fits(line) {
				return line
			}
		case <-limit:
			r.t.Fatalf("never came: %s", what)
		}
	}
}

func (r *running) nextType(kind contract.ProbeLineType) contract.ProbeLine {
	r.t.Helper()
	return r.next(string(kind), func(l contract.ProbeLine) bool { return l.Type == kind })
}

// exit drains the output and returns the exit code.
func (r *running) exit() int {
	r.t.Helper()
	for range r.lines {
	}
	_ = r.cmd.Wait()
	return r.cmd.ProcessState.ExitCode()
}

func TestValuesAreTheDrivers(t *testing.T) {
	m := fake.New(t)
	m.Set("gpus 2", "0.util 97", "0.mem_used 42949672960", "0.temp 71", "0.mem_temp 82", "0.power_mw 431500", "0.clock 1755",
		"0.throttle 4", "0.field.4 1", "0.field.3 7", "0.field.144 1", "0.field.145 0", "0.field.94 3",
		"0.field.38 10", "0.field.45 5", "0.field.59 2", "0.field.230 0")
	r := start(t, m.Env(), "-once")
	hello := r.nextType(contract.ProbeHello)
	if hello.Driver != "570.86.15" || len(hello.GPUs) != 2 || hello.GPUs[1].UUID != "GPU-fake-1" || hello.GPUs[0].BusID != "00000000:17:00.0" ||
		*hello.GPUs[1].Minor != 1 || *hello.GPUs[0].MemTotal != 80<<30 || *hello.GPUs[0].TempSlowdownC != 89 {
		t.Errorf("hello: %+v", hello)
	}
	got, err := json.Marshal(r.nextType(contract.ProbeSample).GPUs[0])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"index":0,"uuid":"GPU-fake-0","util":97,"mem_used":42949672960,"temp_c":71,"mem_temp_c":82,"power_w":431.5,"sm_clock_mhz":1755,"throttle":4,` +
		`"ecc_uncorrected":1,"ecc_corrected":7,"remap_pending":true,"remap_failed":false,"pcie_replay":3,"nvlink_crc":15,"nvlink_recovery":2,"recovery_action":0}`
	if string(got) != want {
		t.Errorf("sample\n got %s\nwant %s", got, want)
	}
	if code := r.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestAbsentValuesAreLeftOut(t *testing.T) {
	m := fake.New(t)
	m.Set("fail nvmlDeviceGetPowerUsage 3", "fail nvmlDeviceGetUtilizationRates 3")
	r := start(t, m.Env(), "-once")
	s := r.nextType(contract.ProbeSample).GPUs[0]
	if s.PowerW != nil || s.Util != nil || s.ECCUncorrected != nil || s.RecoveryAction != nil || s.MemTempC != nil {
		t.Errorf("values that the driver does not support are there: %+v", s)
	}
	if s.TempC == nil {
		t.Error("the temperature is gone too")
	}
}

func TestOldDriverWithoutSymbolsLives(t *testing.T) {
	m := fake.New(t, fake.OldDriver)
	m.Set("0.throttle 32", "0.mem_used 5")
	r := start(t, m.Env(), "-period", "50ms")
	hello := r.nextType(contract.ProbeHello)
	if hello.GPUs[0].BusID != "" {
		t.Errorf("a bus id without the call that gives it: %q", hello.GPUs[0].BusID)
	}
	r.nextType(contract.ProbeSample)
	s := r.nextType(contract.ProbeSample).GPUs[0]
	if s.Throttle == nil || *s.Throttle != 32 || s.MemUsed == nil || *s.MemUsed != 5 {
		t.Errorf("the older calls were not used: %+v", s)
	}
}

func TestXIDIsDelivered(t *testing.T) {
	m := fake.New(t)
	m.Set("gpus 2")
	r := start(t, m.Env(), "-period", "1h")
	r.nextType(contract.ProbeSample)
	set := time.Now()
	m.Set("gpus 2", "xid 1 1 79", "1.field.230 2")
	e := r.nextType(contract.ProbeEvent)
	t.Logf("delivered %v after the driver had it", time.Since(set))
	if e.XID != 79 || e.UUID != "GPU-fake-1" || *e.Index != 1 {
		t.Errorf("event: %+v", e)
	}
	s := r.nextType(contract.ProbeSample) // long before the period: an event asks for the counters
	if a := s.GPUs[1].RecoveryAction; a == nil || *a != 2 {
		t.Errorf("no counters after the event: %+v", s.GPUs[1])
	}
}

func TestLostGPUIsAnErrorWithItsUUID(t *testing.T) {
	m := fake.New(t)
	m.Set("gpus 2")
	r := start(t, m.Env(), "-period", "20ms")
	r.nextType(contract.ProbeSample)
	m.Set("gpus 2", "1.lost 1")
	e := r.nextType(contract.ProbeError)
	if e.Ret != contract.NVMLGPULost || e.UUID != "GPU-fake-1" {
		t.Errorf("error line: %+v", e)
	}
	s := r.next("a sample without values of the lost GPU", func(l contract.ProbeLine) bool {
		return l.Type == contract.ProbeSample && l.GPUs[1].TempC == nil
	})
	if s.GPUs[0].TempC == nil {
		t.Error("the healthy GPU lost its values too")
	}
}

func TestSlowCallIsNamed(t *testing.T) {
	m := fake.New(t)
	r := start(t, m.Env(), "-period", "20ms")
	r.nextType(contract.ProbeSample)
	m.Set("hang nvmlDeviceGetPowerUsage")
	b := r.nextType(contract.ProbeBusy)
	if b.Call != "nvmlDeviceGetPowerUsage" || b.ForMs < 1000 || b.Index == nil {
		t.Errorf("busy line: %+v", b)
	}
	m.Set()
	r.nextType(contract.ProbeSample) // and it goes on
}

func TestHangInTheEventWaitIsNamedAndSamplesGoOn(t *testing.T) {
	m := fake.New(t)
	m.Set("hang nvmlEventSetWait_v2")
	r := start(t, m.Env(), "-period", "20ms")
	b := r.nextType(contract.ProbeBusy)
	if b.Call != "nvmlEventSetWait_v2" {
		t.Errorf("busy line: %+v", b)
	}
	r.nextType(contract.ProbeSample)
}

func TestCountIsReported(t *testing.T) {
	m := fake.New(t)
	m.Set("gpus 3")
	r := start(t, m.Env(), "-period", "20ms")
	r.nextType(contract.ProbeHello)
	m.Set("gpus 2")
	r.next("a sample with count 2", func(l contract.ProbeLine) bool {
		return l.Type == contract.ProbeSample && l.Count != nil && *l.Count == 2
	})
}

func TestMIGInstancesStandForTheirGPU(t *testing.T) {
	m := fake.New(t)
	m.Set("gpus 2", "0.mig 2", "0.util 50", "0.temp 60", "1.util 40")
	r := start(t, m.Env(), "-period", "1h")
	hello := r.nextType(contract.ProbeHello)
	var uuids []string
	for _, g := range hello.GPUs {
		uuids = append(uuids, g.UUID)
	}
	if !slices.Equal(uuids, []string{"MIG-fake-0-0", "MIG-fake-0-1", "GPU-fake-1"}) || !hello.GPUs[0].MIG || hello.GPUs[2].MIG {
		t.Fatalf("hello: %+v", hello.GPUs)
	}
	s := r.nextType(contract.ProbeSample)
	if s.GPUs[0].Util != nil || s.GPUs[0].TempC == nil || *s.GPUs[0].TempC != 60 || s.GPUs[2].Util == nil {
		t.Errorf("an instance has no utilisation and its GPU's temperature: %+v", s.GPUs)
	}
	m.Set("gpus 2", "0.mig 2", "xid 1 0 31 8") // GPU instance 8 is the second
	if e := r.nextType(contract.ProbeEvent); e.UUID != "MIG-fake-0-1" {
		t.Errorf("the event went to %s", e.UUID)
	}
	m.Set("gpus 2", "0.mig 2", "xid 2 0 79") // the whole GPU
	first, second := r.nextType(contract.ProbeEvent), r.nextType(contract.ProbeEvent)
	if first.UUID != "MIG-fake-0-0" || second.UUID != "MIG-fake-0-1" {
		t.Errorf("events went to %s and %s", first.UUID, second.UUID)
	}
}

func TestEndOfInputEndsTheProbe(t *testing.T) {
	m := fake.New(t)
	r := start(t, m.Env(), "-period", "1h")
	r.nextType(contract.ProbeSample)
	_ = r.stdin.Close()
	if code := r.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestEndOfInputEndsAProbeThatHangsAtItsStart(t *testing.T) {
	m := fake.New(t)
	m.Set("hang nvmlInit_v2")
	r := start(t, m.Env())
	r.nextType(contract.ProbeBusy)
	_ = r.stdin.Close()
	if code := r.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestCrashInTheDriverEndsOnlyTheProbe(t *testing.T) {
	m := fake.New(t)
	r := start(t, m.Env(), "-period", "20ms")
	r.nextType(contract.ProbeSample)
	m.Set("crash nvmlDeviceGetTemperature")
	if code := r.exit(); code == 0 || code == contract.ProbeExitFatal {
		t.Errorf("exit code %d after SIGSEGV in the driver", code)
	}
}
