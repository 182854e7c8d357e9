package gpu

import (
	"context"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/cmd/trainer-gpu/fake"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestMain(m *testing.M) {
	code := m.Run()
	fake.Remove()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

// reports gathers what a monitor raises.
type reports struct {
	mu     sync.Mutex
	events []contract.GPUFault
	types  []contract.EventType
	fatal  []contract.GPUFault
	more   chan struct{}
}

func newReports() *reports { return &reports{more: make(chan struct{}, 1000)} }

func (r *reports) event(kind contract.EventType, _ string, data any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.types, r.events = append(r.types, kind), append(r.events, data.(contract.GPUFault))
	r.more <- struct{}{}
}

func (r *reports) onFatal(f contract.GPUFault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fatal = append(r.fatal, f)
}

func (r *reports) kinds() []contract.GPUFaultKind {
	r.mu.Lock()
	defer r.mu.Unlock()
	var kinds []contract.GPUFaultKind
	for _, e := range r.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// wait returns the first event of a kind; a minute without it is a failure.
func (r *reports) wait(t *testing.T, kind contract.GPUFaultKind) contract.GPUFault {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		r.mu.Lock()
		for _, e := range r.events {
			if e.Kind == kind {
				r.mu.Unlock()
				return e
			}
		}
		r.mu.Unlock()
		select {
		case <-r.more:
		case <-limit:
			t.Fatalf("no %q event came; there were %v", kind, r.kinds())
		}
	}
}

// osProbe is a probe process of os/exec.
type osProbe struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   io.Reader
	done  chan struct{}
}

func (p *osProbe) Stdout() io.Reader        { return p.out }
func (p *osProbe) CloseStdin()              { _ = p.stdin.Close() }
func (p *osProbe) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }
func (p *osProbe) Done() <-chan struct{}    { return p.done }
func (p *osProbe) ExitCode() int            { return p.cmd.ProcessState.ExitCode() }

func startOS(_ context.Context, args, env []string) (Probe, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = env
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe() // not StdoutPipe: Wait would close it before it is read
	if err != nil {
		return nil, err
	}
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		_, _ = r.Close(), w.Close()
		return nil, err
	}
	_ = w.Close()
	p := &osProbe{cmd: cmd, stdin: stdin, out: r, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait()
	}()
	return p, nil
}

// watch runs a monitor on a fake machine until the test ends.
func watch(t *testing.T, m *fake.Machine, period time.Duration) (*Monitor, *reports) {
	t.Helper()
	r := newReports()
	mon, err := New(Options{
		Start: startOS, ProbePath: fake.Probe(t), Env: m.Env(), Period: period, OnEvent: r.event, OnFatal: r.onFatal,
	})
	if err != nil {
		t.Fatal(err)
	}
	mon.patience = 3 * time.Second // longer than it takes the probe to name a hanging call
	run(t, mon)
	return mon, r
}

func run(t *testing.T, mon *Monitor) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		mon.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-over
	})
}

// until polls a condition that another process brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("never: %s", what)
		}
	}
}
