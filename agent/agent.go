package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/resume"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/dataset"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/process/training"
	"github.com/vision-platform/trainer-agent/agent/ui"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// Options is what a job needs of the world.
type Options struct {
	Config      *config.Config
	Problems    []config.Problem
	Command     []string // the training process; $(NAME) is replaced from its environment
	Supervisor  *process.Supervisor
	Environ     []string // NAME=value
	SecretFiles []string // with settings that are secret, absolute
	Reach       []string // a command line that runs isolation.Reach; without one nothing is tried
	Stdout      io.Writer
	Terminal    bool // Stdout is a terminal: the child gets a pty
	Log         *slog.Logger
	Now         func() time.Time
	Termination string     // where the termination message goes, telemetry.TerminationLog
	Screen      *ui.Screen // a person's terminal; nil without one
	Quiet       bool       // no progress, on the terminal or in the log
}

// A life is one run of a job: its stages in the order of their start, in parts, the
// child that they are there for, and how it is finished.
type life struct {
	base
	runner stage.Runner

	opening  []stage.Step // so that every later failure can be told to the backend
	watching []stage.Step // the machine
	meeting  []stage.Step // the job's other machines
	inputs   []stage.Step // within the time that a request to stop leaves
	uploads  []stage.Step
	training []stage.Step // undone when the child has ended

	child     *training.Training
	resume    *resume.Stage
	converted *dataset.Conversion
	finish    *finish
}

// Run carries one job to its exit code: prepare, train, finish. It returns only when
// everything that it started is over, or was left behind because it did not end.
func Run(ctx context.Context, o Options) int {
	l := newLife(&o)
	defer l.runner.Stop(0)
	var outcome Outcome
	if err := stage.Guard(ctx, "the job", func(ctx context.Context) error { outcome = l.live(ctx); return nil }); err != nil {
		outcome = Outcome{Err: err}
	}
	if errors.Is(outcome.Err, callbacks.ErrAgain) {
		return l.finish.again(ctx)
	}
	return l.finish.run(outcome)
}

// live is everything before the end of a job. A panic anywhere ends it.
func (l *life) live(ctx context.Context) Outcome {
	ctx = crew.Watch(ctx)
	if err := l.open(ctx); err != nil {
		return Outcome{Err: err}
	}
	if err := l.runner.Start(ctx, l.watching); err != nil {
		return Outcome{Err: err}
	}
	if err := l.prepare(ctx); err != nil {
		return l.failed(err)
	}
	if err := l.runner.Start(ctx, l.uploads); err != nil {
		return Outcome{Err: err}
	}
	before := l.runner.Up()
	if err := l.runner.Start(ctx, l.training); err != nil {
		l.runner.Stop(before)
		return l.failed(err)
	}
	ending := l.child.Wait(ctx)
	l.runner.Stop(before)
	l.child.Report(ending, l.tracker.View().Epoch, l.cfg.Epochs)
	return endingOf(ending)
}

// open makes what every later failure is told by. Problems of the configuration come
// before what they may have caused.
func (l *life) open(ctx context.Context) error {
	err := l.runner.Start(ctx, l.opening)
	if failure := config.Failure(l.o.Problems); failure != nil {
		return failure
	}
	return err
}

// prepare joins the job's other machines and brings the inputs in, then waits until
// every machine is prepared. A request to stop ends it at once, and so does the
// failure of another machine.
func (l *life) prepare(parent context.Context) error {
	ctx, cancel := l.o.Supervisor.WithStop(parent)
	defer cancel()
	if err := l.runner.Start(ctx, l.meeting); err != nil {
		return err
	}
	together, release := l.group.While(ctx)
	defer release()
	if err := l.runner.Start(together, l.inputs); err != nil {
		return err
	}
	if !l.group.Alone() {
		l.tracker.Enter(job.PhaseGathering)
	}
	return l.group.Assemble(ctx)
}

// failed is the Outcome of a stage's error.
func (l *life) failed(err error) Outcome {
	o := l.o
	stopping := context.Cause(o.Supervisor.Stopping())
	outcome := failedStage(err, stopping, o.Now().Add(o.Config.StopGrace))
	if stopping != nil && outcome.Err == nil && !outcome.Deadline.IsZero() {
		l.events.Emit(contract.EventStopping, "Stopping before the "+job.Noun(o.Config.Job.Type)+" process has started: "+stopping.Error(), nil)
	}
	return outcome
}

// Prepare does everything before training and leaves it in the workspace, for a later
// Run with the same settings. It returns the exit code. A failure that no other try
// can mend is told as Run tells it, because no Run will follow.
func Prepare(ctx context.Context, o Options) int {
	l := newLife(&o)
	defer l.runner.Stop(0)
	err := l.prepareOnly(ctx)
	if permanent(err) {
		if unopened := l.runner.Start(ctx, []stage.Step{{Name: "the outbox", Stage: l.finish.queue}}); unopened != nil {
			l.events.Warn(unopened.Error())
		}
		return l.finish.run(Outcome{Err: err})
	}
	return l.finish.prepared(err, l.converted.Got)
}

func (l *life) prepareOnly(parent context.Context) error {
	parent = crew.Watch(parent)
	opening := []stage.Step{{Name: "the progress", Stage: l.finish.progress}, {Name: "traces", Stage: l.finish.tracing, Optional: true}, {Name: "the workspace", Stage: l.finish.claim}, {Name: "the training log", Stage: l.finish.log}}
	err := l.runner.Start(parent, opening)
	if failure := config.Failure(l.o.Problems); failure != nil {
		return failure
	}
	if err != nil {
		return err
	}
	ctx, cancel := l.o.Supervisor.WithStop(parent)
	defer cancel()
	if err := l.runner.Start(ctx, l.inputs); err != nil {
		return err
	}
	return stage.Fault()
}

// permanent: the same will fail again, and nobody asked for the end.
func permanent(err error) bool {
	if _, asked := errors.AsType[process.Request](err); asked || err == nil {
		return false
	}
	return contract.AsFailure(err).ExitCode() == contract.ExitFailed
}
