package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/autoreport"
	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox"
	"github.com/vision-platform/trainer-agent/agent/callbacks/relay"
	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	"github.com/vision-platform/trainer-agent/agent/config"
	tracker "github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/monitor/gpu"
	"github.com/vision-platform/trainer-agent/agent/monitor/resources"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/agent/telemetry"
	"github.com/vision-platform/trainer-agent/agent/telemetry/trace"
	"github.com/vision-platform/trainer-agent/agent/ui"
	"github.com/vision-platform/trainer-agent/contract"
)

// Options is what a job needs of the world.
type Options struct {
	Config      *config.Config
	Problems    []config.Problem
	Command     []string // the training process; $(NAME) is replaced from its environment
	Supervisor  *process.Supervisor
	Environ     []string // NAME=value
	Stdout      io.Writer
	Terminal    bool // Stdout is a terminal: the child gets a pty
	Log         *slog.Logger
	Now         func() time.Time
	Termination string     // where the last words go, report.TerminationLog
	Screen      *ui.Screen // a person's terminal; nil without one
	Quiet       bool       // no progress, on the terminal or in the log
}

// job is one job in one life of the agent.
type job struct {
	Options
	cfg      *config.Config
	log      *slog.Logger
	ws       workspace
	started  time.Time
	progress *progress

	mu       sync.Mutex
	warnings []string

	outbox       *outbox.Outbox
	store        storage.Store
	storeRetries atomic.Int64
	sampler      *resources.Sampler
	gpus         *gpu.Monitor
	gpuLost      chan struct{}    // closed when a GPU is no use any more
	history      *tracker.Tracker // of the watcher; set before it
	watcher      atomic.Pointer[checkpoints.Watcher]
	child        atomic.Pointer[process.Child]
	pulse        *outbox.Pulse
	reader       atomic.Pointer[autoreport.Reporter]
	relay        atomic.Pointer[relay.Relay]
	endpoint     *telemetry.Endpoint
	training     *telemetry.TrainingLog
	tracer       *trace.Tracer // nil when nobody collects traces
	output       *childOutput

	sender, sampling, memory, probing, beating, watching, reading, showing *background

	together together
	prepared prepared
	life     *life
	previous *previousRun
	unlock   func()
}

// Run carries one job to its exit code: prepare, run, finish. It returns only
// when everything that it started is over.
func Run(ctx context.Context, o Options) int {
	j := newJob(o)
	defer j.close()
	j.show(ctx)
	err := j.open()
	again := err == nil && j.succeededBefore()
	j.startSender(ctx)
	if err != nil {
		return j.finish(outcome{err: err})
	}
	if again {
		return j.deliverAgain(ctx)
	}
	j.emit(contract.EventAgentStarted, "The agent has started", j.startedData())
	if err := j.watch(ctx); err != nil {
		return j.finish(outcome{err: err})
	}
	for _, part := range []func(context.Context) error{j.gather, j.prepare, j.assemble} {
		if err := part(ctx); err != nil {
			return j.finish(j.stopped(outcome{err: err}))
		}
	}
	return j.finish(j.run(ctx))
}

// Prepare does everything before training and leaves it in the workspace, for a
// later Run with the same settings. It returns the exit code.
func Prepare(ctx context.Context, o Options) int {
	j := newJob(o)
	defer j.close()
	j.show(ctx)
	return j.finishPrepare(j.prepareOnly(ctx))
}

func (j *job) prepareOnly(ctx context.Context) error {
	if failure := config.Failure(j.Problems); failure != nil {
		return failure
	}
	j.openTracing()
	if err := j.openWorkspace(); err != nil {
		return err
	}
	err := j.prepare(ctx)
	j.endTrace(contract.Result{Error: contract.AsFailure(err)}, j.progress.view().phase)()
	return err
}

func newJob(o Options) *job {
	j := &job{
		Options: o, cfg: o.Config, log: o.Log, started: o.Now(), progress: newProgress(o.Now, o.Config.PrimaryMetric, contract.MetricMode(o.Config.PrimaryMetricMode)),
	}
	for _, p := range o.Problems {
		if p.Warning {
			j.warn(p.String())
		}
	}
	return j
}

func (j *job) warn(text string) {
	j.log.Warn(text)
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.warnings) < 100 {
		j.warnings = append(j.warnings, text)
	}
}

// open makes the workspace and the outbox, in that order, so that every later
// failure can be told to the backend. Configuration problems come after both.
func (j *job) open() error {
	j.openTracing()
	failure := config.Failure(j.Problems)
	if err := j.openWorkspace(); err != nil {
		if failure != nil {
			return failure
		}
		return err
	}
	if err := j.openOutbox(); err != nil {
		if failure != nil {
			return failure
		}
		return err
	}
	if failure != nil {
		return failure
	}
	return j.openLife()
}

func (j *job) openWorkspace() (err error) {
	if j.ws, err = newWorkspace(j.cfg.WorkspaceDir); err != nil {
		return err
	}
	if err := j.ws.open(); err != nil {
		return err
	}
	if j.unlock, err = j.ws.acquire(); err != nil {
		return err
	}
	// The log of a run that was killed was never uploaded: it is continued.
	_, err = os.Stat(j.ws.life())
	j.training, err = telemetry.CreateTrainingLog(j.ws.trainingLog(), telemetry.DefaultTrainingLogBytes, err == nil)
	return err
}

func (j *job) openLife() (err error) {
	account, _ := process.ReadMemory() // where there is none, nothing is concluded from it
	if j.life, j.previous, err = begin(j.ws.life(), j.Now(), account); err == nil && j.previous != nil {
		j.warn(j.previous.Message)
	}
	return err
}

// openOutbox needs to know the backend, the job and the token; where the
// configuration lacks one of them there is nobody to tell. Of several machines
// only node 0 tells.
func (j *job) openOutbox() error {
	if j.cfg.BaseURL == "" || !j.cfg.CallbackToken.Set() || !j.cfg.Named() || !j.leads() {
		return nil
	}
	box, err := outbox.Open(j.ws.outbox(), outbox.Options{
		JobID: j.cfg.JobID, TraceID: j.cfg.TraceID, BaseURL: string(j.cfg.BaseURL), Token: j.token,
		CAFile: j.cfg.CAFile, Getenv: os.Getenv, Logger: j.log, Now: j.Now,
		OnDelivered: func(m contract.Message, reply []byte) {
			if r := j.relay.Load(); r != nil {
				r.Delivered(m, reply)
			}
		},
	})
	if err != nil {
		return err
	}
	j.outbox = box
	return nil
}

// startSender begins to deliver, once it is settled whether what an earlier life
// said last still holds. The sender outlives a stop: it ends in finish, when
// everything is delivered.
func (j *job) startSender(ctx context.Context) {
	if j.outbox != nil {
		j.sender = start(context.WithoutCancel(ctx), func(ctx context.Context) { _ = j.outbox.Run(ctx) })
	}
}

func (j *job) openEndpoint(ctx context.Context) (err error) {
	if j.cfg.MetricsAddr == "" {
		return nil
	}
	if j.endpoint, err = telemetry.Serve(ctx, j.cfg.MetricsAddr, j.snapshot, j.log); err != nil {
		j.warn(err.Error()) // metrics are no reason to lose a job
	}
	return nil
}

// token is the callback token; from a file it is read anew each time.
func (j *job) token() (string, error) {
	if j.cfg.TokenFile != "" {
		return config.ReadSecretFile(j.cfg.TokenFile)
	}
	return j.cfg.CallbackToken.Reveal(), nil
}

// close lets go of what finish did not end.
func (j *job) close() {
	var errs []error
	for _, b := range []*background{j.showing, j.beating, j.reading, j.watching, j.probing, j.memory, j.sampling, j.sender} {
		b.stop()
	}
	j.tracer.Close()
	j.together.close()
	if j.outbox != nil {
		errs = append(errs, j.outbox.Close())
	}
	if j.endpoint != nil {
		errs = append(errs, j.endpoint.Close())
	}
	if j.training != nil {
		errs = append(errs, j.training.Close())
	}
	if d := j.prepared.dataset; d != nil {
		errs = append(errs, d.Close())
	}
	errs = append(errs, j.prepared.weights.Close())
	if j.unlock != nil {
		j.unlock()
	}
	if err := errors.Join(errs...); err != nil {
		j.log.Warn("closing", "error", err)
	}
}
