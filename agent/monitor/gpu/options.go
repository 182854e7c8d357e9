package gpu

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Start starts the probe: own process group, nice 10, oom_score_adj +500, stdin a
// pipe. It is injected because the agent has one owner of all processes.
type Start func(ctx context.Context, args []string, env []string) (Probe, error)

// Probe is a running probe process.
type Probe interface {
	Stdout() io.Reader      // ends when the process has ended and its output was read
	CloseStdin()            // tells the probe to end
	Signal(os.Signal) error // to the process
	Done() <-chan struct{}  // closed when the process was reaped
	ExitCode() int          // valid after Done; 128+n when signal n ended it
}

// Options of a Monitor. Start and ProbePath are required.
type Options struct {
	Start     Start
	ProbePath string
	Env       []string      // the agent's; the probe gets only what it needs, NVIDIA_VISIBLE_DEVICES is read from it
	Period    time.Duration // between samples; default 10 s
	Root      string        // where /dev and /proc are looked for; default "/"
	Logger    *slog.Logger

	OnEvent func(contract.EventType, string, any)
	OnFatal func(contract.GPUFault) // the GPU or the machine can't go on: lost, missing, needs a reset

	XIDFatal  []int // AGENT_XID_FATAL: judged as "the GPU needs a reset"
	XIDIgnore []int // AGENT_XID_IGNORE
}

func (o Options) withDefaults() Options {
	if o.Period <= 0 {
		o.Period = 10 * time.Second
	}
	if o.Root == "" {
		o.Root = "/"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnEvent == nil {
		o.OnEvent = func(contract.EventType, string, any) {}
	}
	if o.OnFatal == nil {
		o.OnFatal = func(contract.GPUFault) {}
	}
	return o
}
