package gpu

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

// bench is a monitor that is fed by hand.
type bench struct {
	*Monitor
	told *reports
	now  time.Time
}

func newBench(t *testing.T, gpus int, change func(*Options)) *bench {
	t.Helper()
	r := newReports()
	opts := Options{Start: startOS, ProbePath: "probe", Period: 10 * time.Second, OnEvent: r.event, OnFatal: r.onFatal}
	if change != nil {
		change(&opts)
	}
	m, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Monitor: m, told: r, now: noon}
	hello := contract.ProbeLine{Type: contract.ProbeHello}
	for i := range gpus {
		hello.GPUs = append(hello.GPUs, gpuNamed(i))
	}
	b.feed(hello)
	return b
}

func (b *bench) feed(line contract.ProbeLine) { b.raise(b.accept(line, b.now)) }

// samples feeds n samples of GPU 0, ten seconds apart.
func (b *bench) samples(n int, change func(i int, s *contract.ProbeGPU)) {
	for i := range n {
		b.now = b.now.Add(10 * time.Second)
		s := contract.ProbeGPU{Index: 0, UUID: "GPU-a"}
		change(i, &s)
		b.feed(contract.ProbeLine{Type: contract.ProbeSample, GPUs: []contract.ProbeGPU{s}})
	}
}

func (b *bench) xid(gpu string, xid int) {
	b.now = b.now.Add(time.Second)
	b.feed(contract.ProbeLine{Type: contract.ProbeEvent, UUID: gpu, XID: xid})
}

func (b *bench) messages() string {
	var all []string
	for i, e := range b.told.events {
		all = append(all, fmt.Sprintf("%s %s", b.told.types[i], e.Message))
	}
	return strings.Join(all, "\n")
}

func TestWarningsAndErrors(t *testing.T) {
	cases := map[string]struct {
		n      int
		change func(i int, s *contract.ProbeGPU)
		want   string // all messages
	}{
		"healthy": {60, func(i int, s *contract.ProbeGPU) {
			s.Util, s.TempC, s.MemUsed, s.Throttle = ptr(99.0), ptr(80.0), ptr(int64(min(i, 70)<<30)), ptr(uint64(4))
			s.ECCUncorrected, s.ECCCorrected, s.RecoveryAction, s.RemapPending = ptr(int64(2)), ptr(int64(i)), ptr(int64(0)), ptr(false)
		}, ""},
		"hot for a minute": {7, func(i int, s *contract.ProbeGPU) { s.TempC = ptr(86.0) },
			"gpu_warning GPU 0 is at 86 °C and slows down at 90 °C"},
		"hot for a moment": {5, func(i int, s *contract.ProbeGPU) { s.TempC = ptr(89.0) }, ""},
		"thermal throttle over 20 %": {40, func(i int, s *contract.ProbeGPU) {
			s.Throttle = ptr(uint64(0))
			if i%3 == 0 {
				s.Throttle = ptr(uint64(0x20))
			}
		}, "gpu_warning GPU 0 slowed down for heat 35 % of the last 5 minutes"},
		"thermal throttle under 20 %": {40, func(i int, s *contract.ProbeGPU) {
			s.Throttle = ptr(uint64(0))
			if i%8 == 0 {
				s.Throttle = ptr(uint64(0x40))
			}
		}, ""},
		"power brake": {40, func(i int, s *contract.ProbeGPU) {
			s.Throttle = ptr(uint64(0))
			if i%10 == 0 {
				s.Throttle = ptr(uint64(0x80))
			}
		}, "gpu_warning GPU 0 was braked by the power supply 13 % of the last 5 minutes"},
		"the software power cap is no fault": {60, func(i int, s *contract.ProbeGPU) { s.Throttle = ptr(uint64(4)) }, ""},
		"memory full": {8, func(i int, s *contract.ProbeGPU) { s.MemUsed = ptr(int64(79 << 30)) },
			"gpu_warning GPU 0 had 79 GiB in use before training started\ngpu_warning GPU 0 uses 99 % of its memory (80 GiB)"},
		"ECC grew": {3, func(i int, s *contract.ProbeGPU) { s.ECCUncorrected = ptr(int64(5 + i/2)) },
			"gpu_error GPU 0 had 1 uncorrectable memory errors (ECC)"},
		"ECC of before is the baseline": {3, func(i int, s *contract.ProbeGPU) { s.ECCUncorrected = ptr(int64(500)) }, ""},
		"needs a reset": {3, func(i int, s *contract.ProbeGPU) { s.RecoveryAction = ptr(int64(1)) },
			"gpu_error GPU 0 needs a reset, says the driver (recovery action 1)"},
		"an unknown recovery action": {1, func(i int, s *contract.ProbeGPU) { s.RecoveryAction = ptr(int64(9)) },
			"gpu_error GPU 0 needs recovery, says the driver (recovery action 9)"},
		"remap failed": {2, func(i int, s *contract.ProbeGPU) { s.RemapFailed = ptr(true) },
			"gpu_error GPU 0 could not replace a bad memory row"},
		"remap pending": {2, func(i int, s *contract.ProbeGPU) { s.RemapPending = ptr(true) },
			"gpu_warning GPU 0 has a bad memory row that is replaced at its next reset"},
		"NVLink recovered": {2, func(i int, s *contract.ProbeGPU) { s.NVLinkRecovery = ptr(int64(i)) },
			"gpu_warning NVLink of GPU 0 recovered from errors 1 times"},
		"NVLink CRC grows fast": {20, func(i int, s *contract.ProbeGPU) { s.NVLinkCRC = ptr(int64(i * 300)) },
			"gpu_warning NVLink of GPU 0 has 1800 CRC errors a minute"},
		"NVLink CRC grows slowly": {60, func(i int, s *contract.ProbeGPU) { s.NVLinkCRC = ptr(int64(i * 100)) }, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 1, nil)
			b.samples(tc.n, tc.change)
			if got := b.messages(); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestXIDClasses(t *testing.T) {
	cases := []struct {
		xid  int
		want contract.EventType // "" = nothing
		kind contract.GPUFaultKind
		ends bool // OnFatal
	}{
		{13, contract.EventGPUWarning, contract.GPUXID, false},
		{31, contract.EventGPUWarning, contract.GPUXID, false},
		{45, "", "", false},
		{154, "", "", false},
		{48, contract.EventGPUError, contract.GPUNeedsReset, true},
		{63, contract.EventGPUWarning, contract.GPUXID, false},
		{79, contract.EventGPUError, contract.GPULost, true},
		{94, contract.EventGPUError, contract.GPUContained, false},
		{119, contract.EventGPUError, contract.GPUNeedsReset, true},
		{151, contract.EventGPUError, contract.GPUMachine, true},
		{9999, contract.EventGPUWarning, contract.GPUXID, false},
	}
	for _, tc := range cases {
		b := newBench(t, 1, nil)
		b.xid("GPU-a", tc.xid)
		if tc.want == "" {
			if len(b.told.events) != 0 {
				t.Errorf("XID %d: %s", tc.xid, b.messages())
			}
			continue
		}
		if len(b.told.events) != 1 || b.told.types[0] != tc.want || b.told.events[0].Kind != tc.kind || (len(b.told.fatal) == 1) != tc.ends {
			t.Errorf("XID %d: %s (ends %v)", tc.xid, b.messages(), b.told.fatal)
		}
	}
}

func TestXIDClassesCanBeChanged(t *testing.T) {
	b := newBench(t, 1, func(o *Options) { o.XIDFatal, o.XIDIgnore = []int{63, 31}, []int{79, 31} })
	b.xid("GPU-a", 63)
	b.xid("GPU-a", 79)
	b.xid("GPU-a", 31)
	if len(b.told.events) != 1 || !b.told.events[0].Fatal || b.told.events[0].XID != 63 {
		t.Errorf("%s", b.messages())
	}
}

func TestEveryXIDHasOneClass(t *testing.T) {
	seen := map[int]bool{}
	for _, xids := range xidClasses {
		for _, xid := range xids {
			if seen[xid] {
				t.Errorf("XID %d has two classes", xid)
			}
			seen[xid] = true
		}
	}
}

func TestSameXIDTwiceOnOneGPUSuspectsTheHardware(t *testing.T) {
	b := newBench(t, 2, nil)
	b.xid("GPU-a", 31)
	b.now = b.now.Add(11 * time.Minute)
	b.xid("GPU-a", 31)
	if !strings.HasSuffix(b.messages(), "2 times on this GPU within a day, so suspect the hardware") {
		t.Errorf("%s", b.messages())
	}
	b.xid("GPU-b", 31)
	if !strings.HasSuffix(b.messages(), "it came on several GPUs, so suspect the software") {
		t.Errorf("%s", b.messages())
	}
}

func TestXIDAfterTheChildsExitIsNotItsOwn(t *testing.T) {
	b := newBench(t, 1, nil)
	b.ChildStarted()
	b.ChildEnded()
	b.xid("GPU-a", 79)
	if len(b.told.events) != 0 || len(b.Evidence().Faults) != 0 {
		t.Errorf("%s", b.messages())
	}
}

func TestOneEventInTenMinutesWithACount(t *testing.T) {
	b := newBench(t, 1, nil)
	for range 100 { // 16 minutes
		b.samples(1, func(_ int, s *contract.ProbeGPU) { s.RemapPending = ptr(true) })
	}
	var counts []int
	for _, e := range b.told.events {
		counts = append(counts, e.Count)
	}
	if !slices.Equal(counts, []int{1, 60}) {
		t.Errorf("events with counts %v", counts)
	}
}

func TestEvidenceIsBounded(t *testing.T) {
	b := newBench(t, 1, nil)
	for i := range 500 {
		b.xid("GPU-a", 1000+i)
	}
	faults := b.Evidence().Faults
	if len(faults) != maxFaults || faults[0].XID != 1000 || faults[len(faults)-1].XID != 1499 {
		t.Errorf("%d faults from %d to %d", len(faults), faults[0].XID, faults[len(faults)-1].XID)
	}
}

func TestLostAccessIsNoFaultOfTheGPU(t *testing.T) {
	b := newBench(t, 1, nil)
	b.feed(contract.ProbeLine{Type: contract.ProbeError, UUID: "GPU-a", Ret: contract.NVMLUnknown, Call: "nvmlDeviceGetTemperature"})
	if len(b.told.events) != 1 || b.told.types[0] != contract.EventGPUWarning || b.told.events[0].Kind != contract.GPUAccessLost {
		t.Errorf("%s", b.messages())
	}
}

func TestFaultOfAGPUThatTheJobDoesNotUseIsAWarning(t *testing.T) {
	b := newBench(t, 2, nil)
	b.fleet.devices[0].unused = true
	b.fleet.devices[1].unused, b.fleet.devices[1].used = true, true
	b.xid("GPU-a", 79)
	b.xid("GPU-b", 79)
	want := "gpu_warning GPU 0 dropped off the PCIe bus (XID 79) (this job does not use it)\ngpu_error GPU 1 dropped off the PCIe bus (XID 79)"
	if b.messages() != want || len(b.told.fatal) != 1 {
		t.Errorf("%s", b.messages())
	}
}

func TestSnapshotIsMeansAndMaximaSinceTheLast(t *testing.T) {
	b := newBench(t, 1, nil)
	b.now = time.Now()
	b.samples(3, func(i int, s *contract.ProbeGPU) {
		s.Util, s.TempC, s.PowerW, s.MemUsed = ptr(float64(i*10)), ptr(float64(60+i)), ptr(float64(300)), ptr(int64(i))
		s.Throttle, s.ECCCorrected = ptr(uint64(1<<(2+i))), ptr(int64(i))
	})
	got, _ := json.Marshal(b.Snapshot()[0])
	want := `{"uuid":"GPU-a","index":0,"util_percent":10,"mem_used_bytes":2,"mem_total_bytes":85899345920,"temp_c":62,"power_w":300,"throttle":["power_cap","hw_slowdown","sync_boost"],"ecc_corrected":2}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got, _ = json.Marshal(b.Snapshot()[0]) // nothing new: the last sample
	if !strings.Contains(string(got), `"util_percent":20`) || !strings.Contains(string(got), `"throttle":["sync_boost"]`) {
		t.Errorf("got  %s", got)
	}
}

func FuzzLines(f *testing.F) {
	f.Add(`{"type":"hello","gpus":[{"index":0,"uuid":"a"}]}`)
	f.Add(`{"type":"sample","gpus":[{"uuid":"a","util":1e308,"throttle":18446744073709551615}],"count":-1}`)
	f.Add(`{"type":"event","uuid":"a","xid":-5}`)
	f.Add(`{"type":"error","uuid":"a","ret":15}`)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := New(Options{Start: startOS, ProbePath: "x"})
		if err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(text) {
			if line, ok := decode([]byte(l)); ok {
				m.raise(m.accept(line, noon))
			}
		}
		if _, err := json.Marshal(m.Snapshot()); err != nil {
			t.Error(err)
		}
	})
}
