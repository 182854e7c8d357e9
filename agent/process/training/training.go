// Package training is the one process that a job is run for: it is started, waited for
// until it ends or has to, and ended with everything that descends from it.
//
// It promises that whatever ends the training is named, that a request to stop leaves
// it its share of the grace, and that a process which outlives SIGKILL is not waited
// for. It leaves the environment to its caller, and the causes beyond the process (a
// GPU, a hang, another machine) to those who watch for them.
package training

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/internal/regular"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/process/output"
	"github.com/vision-platform/trainer-agent/agent/process/table"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// Stop is why the agent ended the training.
type Stop string

// The reasons; diagnose has the same words.
const (
	StopNone      Stop = ""
	StopRequested Stop = "requested"  // the agent got SIGTERM or SIGINT
	StopTimeLimit Stop = "time_limit" // MAX_TRAINING_TIME_SECONDS
	StopHang      Stop = "hang"       // AGENT_HANG_TIMEOUT
	StopGPU       Stop = "gpu"        // AGENT_ON_GPU_ERROR=stop
	StopNode      Stop = "node"       // another machine of the job failed or is lost
)

// Limits bound the training.
type Limits struct {
	Time  time.Duration // 0 means none: another machine keeps it
	Grace time.Duration // AGENT_STOP_GRACE
}

// Watch are those who may have the training stopped. Every function is required.
type Watch struct {
	Trouble func() <-chan struct{} // another machine has failed; nil never fires
	GPULost func() <-chan struct{} // a GPU is no use any more; nil never fires
	Hang    func(ctx context.Context, cpu func() time.Duration) (quiet time.Duration, hangs bool)
	// StopHung: a hang ends the training, and is not only told.
	StopHung bool
	Leaving  func() // this machine was asked to stop
	Started  func(pid int)
	Ended    func()
}

// Training is the stage of the process. It is started by Start, waited for by Wait.
type Training struct {
	Supervisor *process.Supervisor
	Spec       func() (process.Spec, error) // asked at the start; its output is the Training's
	Output     func() *output.Splitter
	Noun       string // "training"
	TorchError string // path of TORCHELASTIC_ERROR_FILE
	Limits     Limits
	Watch      Watch
	Tracker    *job.Tracker
	Events     *job.Events
	Now        func() time.Time
	Rested     func() // the process is gone and has written all that it had; may be nil

	child  atomic.Pointer[process.Child]
	output *output.Splitter
}

// Start starts the process.
func (t *Training) Start(context.Context) error {
	t.Tracker.Enter(job.PhaseRunning)
	_ = os.Remove(t.TorchError) // an earlier run's
	spec, err := t.Spec()
	if err != nil {
		return err
	}
	t.output = t.Output()
	spec.Stdout, spec.Stderr = t.output, t.output
	child, err := t.Supervisor.Start(spec)
	if err != nil {
		return err
	}
	t.child.Store(child)
	t.Tracker.Alive()
	t.Watch.Started(child.PID())
	return nil
}

// Ending is how the process ended.
type Ending struct {
	Stop     Stop // why the agent ended it; StopNone when it ended by itself
	Status   process.Status
	Started  time.Time
	Ended    time.Time
	Deadline time.Time // of the whole stop; zero when nobody is waiting
}

// Wait returns once the process has ended, by itself or because it had to.
func (t *Training) Wait(ctx context.Context) Ending {
	e := Ending{Started: t.Now()}
	child := t.child.Load()
	if c := t.firstOf(ctx, child); c != nil {
		grace := t.Limits.Grace
		if e.Stop = c.stop; c.stop == StopRequested { // the rest is for the last checkpoint, the log and done
			e.Deadline, grace = t.Now().Add(grace), grace*6/10
			t.Watch.Leaving()
		}
		if ctx.Err() != nil { // a caller that ended the job still leaves the process its grace
			ctx = context.WithoutCancel(ctx)
		}
		t.end(ctx, child, *c, grace)
	}
	// Leftovers go before the last look for checkpoints: nobody writes them any more.
	t.nameLeft(child.Stop(ctx, process.Stop{Reason: process.ReasonFinished}).Left)
	e.Status, e.Ended = t.statusOf(child), t.Now()
	return e
}

// A cause is why the agent ends the child.
type cause struct {
	stop Stop
	how  process.Reason
	why  string
}

// firstOf waits for whichever comes first: the child's end, of which the cause is
// nil, a request to stop, the time limit, a hang, another machine's failure, or a
// GPU that is no use any more.
func (t *Training) firstOf(ctx context.Context, child *process.Child) *cause {
	var over <-chan struct{}
	if t.Limits.Time > 0 { // a pause of the process or of the whole container does not count
		watching, stop := context.WithCancel(context.Background())
		defer stop()
		over = child.Clock(watching, t.Limits.Time).After(watching, t.Limits.Time)
	}
	hung, found := t.watchHang(child)
	defer func() { _ = hung.Stop(context.Background()) }()
	select {
	case <-child.Done():
		return nil
	case <-t.Supervisor.Stopping().Done():
		return &cause{StopRequested, process.ReasonRequest, context.Cause(t.Supervisor.Stopping()).Error()}
	case <-ctx.Done():
		if crew.Fault() != nil {
			return &cause{StopNone, process.ReasonFailure, "the agent has a bug"}
		}
		return &cause{StopRequested, process.ReasonRequest, "the caller ended the job"}
	case <-over:
		return &cause{StopTimeLimit, process.ReasonTimeLimit, "the time limit is over"}
	case <-found:
		return &cause{StopHang, process.ReasonHung, "the process hangs"}
	case <-t.Watch.Trouble():
		return &cause{StopNode, process.ReasonFailure, "another machine of the job has failed or is lost"}
	case <-t.Watch.GPULost():
		return &cause{StopGPU, process.ReasonFailure, "a GPU is no use any more"}
	}
}

func (t *Training) end(ctx context.Context, child *process.Child, c cause, grace time.Duration) {
	t.Events.Emit(contract.EventStopping, "Stopping the "+t.Noun+" process: "+c.why, map[string]any{"reason": c.how, "grace_seconds": grace.Seconds()})
	result := child.Stop(ctx, process.Stop{Reason: c.how, Grace: grace})
	if result.Killed {
		t.Events.Warn(fmt.Sprintf("The process did not end within %s of %s and was killed.", result.Grace.Round(100*time.Millisecond), unix.SignalName(result.Signal)))
	}
	if err := result.Err(); err != nil {
		t.Events.Warn(err.Error())
	}
}

// nameLeft says what the process left running: whatever that was to do is not done.
func (t *Training) nameLeft(left []table.Process) {
	if len(left) == 0 {
		return
	}
	names := make([]string, 0, 5)
	for _, p := range left[:min(len(left), cap(names))] {
		names = append(names, fmt.Sprintf("%s (%d)", p.Name, p.PID))
	}
	t.Events.Warn(fmt.Sprintf("The %s process ended and left %d running, which were ended: %s. A script waits for what it starts in the background.", t.Noun, len(left), strings.Join(names, ", ")))
}

// statusOf is how the child ended. A process in uninterruptible sleep (a hung
// driver, a dead NFS) outlives even SIGKILL: the job ends without it.
func (t *Training) statusOf(child *process.Child) process.Status {
	select {
	case <-child.Done():
		return child.Status()
	default:
		t.Events.Warn("The process has not died of SIGKILL yet, as in a call of the kernel that does not return (a hung driver, a dead NFS) or for want of a processor; the job ends without it.")
		return process.Status{ExitCode: 128 + int(syscall.SIGKILL), Signal: syscall.SIGKILL}
	}
}

// Stop closes what the process wrote to. Wait has ended it.
func (t *Training) Stop(context.Context) error {
	if t.output == nil {
		return nil
	}
	err := t.output.Close()
	if t.child.Load() != nil {
		t.Watch.Ended()
		if t.Rested != nil {
			t.Rested()
		}
	}
	return err
}

// watchHang raises hang_suspected when the process does nothing at all. found fires
// when that ends it.
func (t *Training) watchHang(child *process.Child) (*stage.Background, <-chan struct{}) {
	found := make(chan struct{})
	b := &stage.Background{Run: func(ctx context.Context) {
		quiet, hangs := t.Watch.Hang(ctx, func() time.Duration { return cpuTime(child) })
		if !hangs {
			return
		}
		asked := t.Now()
		dumped, err := child.DumpStacks()
		if err != nil {
			t.Events.Warn("The stacks of the process could not be asked for: " + err.Error())
		}
		t.Events.Emit(contract.EventHangSuspected, fmt.Sprintf("No output, no callback, no checkpoint and no work for %s", quiet.Round(time.Second)),
			map[string]any{"quiet_seconds": quiet.Seconds(), "stack_dumps": dumped, "stopping": t.Watch.StopHung})
		if t.Watch.StopHung {
			if dumped > 0 {
				t.awaitDump(ctx, asked)
			}
			close(found)
		}
	}}
	_ = b.Start(context.Background())
	return b, found
}

// How long a stack dump may take to begin, and how long it is silent at its end.
const (
	dumpBegins = 2 * time.Second
	dumpPauses = 100 * time.Millisecond
)

// awaitDump lets the process print its stacks before it is ended: of two signals that
// wait for a process, the one that kills leaves the other's handler no time to run.
func (t *Training) awaitDump(ctx context.Context, asked time.Time) {
	look := time.NewTicker(dumpPauses)
	defer look.Stop()
	for t.Now().Sub(asked) < dumpBegins {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
		if last := t.Tracker.View().Activity; last.After(asked) && t.Now().Sub(last) >= dumpPauses {
			return
		}
	}
}

// cpuTime is the processor time of the process and its descendants. Where it cannot be
// read it stands still, so that the other signs decide.
func cpuTime(child *process.Child) time.Duration {
	usage, err := child.Usage()
	if err != nil {
		return 0
	}
	return usage.CPU
}

// Usage is what the process and its descendants use of processors, ever, and of memory,
// bytes; known is false when nobody can tell.
func (t *Training) Usage() (cpu time.Duration, rss int64, known bool) {
	child := t.child.Load()
	if child == nil {
		return 0, 0, false
	}
	u, err := child.Usage()
	return u.CPU, u.RSS, err == nil
}

// Tail are the last lines of its output.
func (t *Training) Tail() []string {
	if t.output == nil {
		return nil
	}
	return t.output.Tail()
}

// TorchErrors is what torchrun left of the first error of a rank, or nothing.
func (t *Training) TorchErrors() string {
	if t.child.Load() == nil {
		return ""
	}
	f, err := regular.Open(t.TorchError)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	b, _ := io.ReadAll(io.LimitReader(f, 64<<10))
	return string(b)
}
