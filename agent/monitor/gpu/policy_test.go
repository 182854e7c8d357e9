package gpu

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// scripted is a probe in memory, for the rules of time.
type scripted struct {
	r    *io.PipeReader
	w    *io.PipeWriter
	done chan struct{}
	code int

	stuck   bool // survives every signal
	signals []os.Signal
	closed  bool
}

func newScripted() *scripted {
	p := &scripted{done: make(chan struct{})}
	p.r, p.w = io.Pipe()
	return p
}

func (p *scripted) Stdout() io.Reader     { return p.r }
func (p *scripted) Done() <-chan struct{} { return p.done }
func (p *scripted) ExitCode() int         { return p.code }
func (p *scripted) CloseStdin()           { p.closed = true; p.exit(0) }
func (p *scripted) Signal(s os.Signal) error {
	p.signals = append(p.signals, s)
	if !p.stuck && s == syscall.SIGKILL {
		p.exit(137)
	}
	return nil
}

func (p *scripted) exit(code int) {
	select {
	case <-p.done:
	default:
		p.code = code
		close(p.done)
		_ = p.w.Close()
	}
}

func (p *scripted) say(line contract.ProbeLine) {
	b, _ := json.Marshal(line)
	_, _ = p.w.Write(append(b, '\n'))
}

func (p *scripted) hello(n int) {
	line := contract.ProbeLine{Type: contract.ProbeHello}
	for i := range n {
		line.GPUs = append(line.GPUs, gpuNamed(i))
	}
	p.say(line)
}

func gpuNamed(i int) contract.ProbeGPU {
	total, limit, minor := int64(80<<30), 90.0, i
	return contract.ProbeGPU{Index: i, UUID: "GPU-" + string(rune('a'+i)), MemTotal: &total, TempSlowdownC: &limit, Minor: &minor}
}

// begin runs a monitor whose probes are made by next.
func begin(t *testing.T, next func() (*scripted, error)) (*Monitor, *reports, context.CancelFunc) {
	t.Helper()
	r := newReports()
	mon, err := New(Options{
		ProbePath: "probe", Env: []string{"NVIDIA_VISIBLE_DEVICES=all", "LD_PRELOAD=x", "CALLBACK_TOKEN=secret"}, Root: t.TempDir(), OnEvent: r.event, OnFatal: r.onFatal,
		Start: func(_ context.Context, _, env []string) (Probe, error) {
			for _, kv := range env {
				if kv != "NVIDIA_VISIBLE_DEVICES=all" {
					t.Errorf("%s reached the probe", kv)
				}
			}
			p, err := next()
			if err != nil {
				return nil, err
			}
			return p, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go mon.Run(ctx)
	return mon, r, cancel
}

func TestEveryLineResetsTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newScripted()
		_, r, cancel := begin(t, func() (*scripted, error) { return p, nil })
		p.hello(1)
		for range 10 {
			time.Sleep(19 * time.Second) // synctest: no time passes
			p.say(contract.ProbeLine{Type: contract.ProbeSample})
		}
		synctest.Wait()
		if k := r.kinds(); len(k) != 0 {
			t.Errorf("events: %v", k)
		}
		cancel()
		synctest.Wait()
		if !p.closed || len(p.signals) != 0 {
			t.Errorf("the probe was not asked to end by its input (closed %v, signals %v)", p.closed, p.signals)
		}
	})
}

func TestStuckProbeIsGivenUpAndNeverDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		starts := 0
		p := newScripted()
		p.stuck = true
		mon, r, cancel := begin(t, func() (*scripted, error) { starts++; return p, nil })
		p.hello(1)
		zero := 0
		p.say(contract.ProbeLine{Type: contract.ProbeBusy, Call: "nvmlDeviceGetTemperature", Index: &zero, ForMs: 1000})
		time.Sleep(time.Hour)
		synctest.Wait()
		if starts != 1 || len(p.signals) != 2 || p.signals[0] != syscall.SIGTERM || p.signals[1] != syscall.SIGKILL {
			t.Errorf("%d starts, signals %v", starts, p.signals)
		}
		if len(r.events) != 1 || r.events[0].Kind != contract.GPUDriver || r.events[0].Message != "The NVIDIA driver has not answered nvmlDeviceGetTemperature for 20 s" {
			t.Errorf("events: %+v", r.events)
		}
		if mon.Snapshot() != nil {
			t.Error("stale values in the heartbeat")
		}
		_ = p.w.Close() // the reader of a process that never ends
		cancel()
	})
}

func TestRestartBackoffAndRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		_, r, cancel := begin(t, func() (*scripted, error) {
			at = append(at, time.Since(began))
			p := newScripted()
			go func() {
				p.hello(1)
				p.exit(1)
			}()
			return p, nil
		})
		time.Sleep(15 * time.Minute)
		cancel()
		synctest.Wait()
		want := []time.Duration{0, 1, 3, 7, 15, 31, 631, 632, 634, 638, 646, 662}
		for i := range want {
			if i >= len(at) || at[i] != want[i]*time.Second {
				t.Fatalf("starts at %v, want seconds %v", at, want)
			}
		}
		if k := r.kinds(); len(k) != 1 && len(k) != 2 || k[0] != contract.GPUProbe {
			t.Errorf("events: %v", k)
		}
		if len(r.fatal) != 0 || r.types[0] != contract.EventGPUWarning {
			t.Error("a failing probe is no error of the GPU")
		}
	})
}

func TestProbeThatCannotStartIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		starts := 0
		mon, r, cancel := begin(t, func() (*scripted, error) { starts++; return nil, errors.New("no such file (no glibc)") })
		defer cancel()
		time.Sleep(time.Hour)
		synctest.Wait()
		if ev := mon.Evidence(); starts != 1 || ev.Reason != "the probe can't be started: no such file (no glibc)" || len(r.kinds()) != 0 {
			t.Errorf("%d starts, evidence %+v", starts, ev)
		}
	})
}

func TestGarbageLinesAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newScripted()
		mon, _, cancel := begin(t, func() (*scripted, error) { return p, nil })
		p.hello(1)
		_, _ = p.w.Write([]byte("Warning: printed by the driver\n{\"type\":\n[]\n{\"type\":\"unknown\",\"x\":1}\n"))
		p.say(contract.ProbeLine{Type: contract.ProbeSample, GPUs: []contract.ProbeGPU{gpuNamed(0), gpuNamed(7)}})
		synctest.Wait()
		if n := len(mon.Snapshot()); n != 1 {
			t.Errorf("%d GPUs", n)
		}
		cancel()
	})
}
