package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/diagnose"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/contract"
)

// run starts the watchers and the child, and waits until the child has ended,
// by itself or because it had to.
func (j *job) run(ctx context.Context) outcome {
	if j.leads() {
		if err := j.openWatcher(ctx); err != nil {
			return outcome{err: err}
		}
	}
	if j.cfg.Job.Type == contract.JobTraining && j.leads() {
		if err := j.openReader(ctx); err != nil {
			return outcome{err: err}
		}
	}
	relay, err := j.startRelay()
	if err != nil {
		return outcome{err: err}
	}
	defer relay.stop()
	j.progress.enter(phaseRunning)
	child, err := j.startChild(relay)
	if err != nil {
		_ = j.output.Close() // nothing was written
		return j.stopped(outcome{err: err})
	}
	j.child.Store(child)
	j.gpus.ChildStarted()
	j.progress.alive()
	j.sampler.CheckChild(child.PID())
	j.emit(contract.EventTrainingStarted, "The "+jobNoun(j.cfg.Job.Type)+" process has started",
		map[string]any{"command": j.Command, "pid": child.PID(), "resumed": j.prepared.resume != ""})
	small := start(ctx, staySmall)
	o := j.supervise(ctx, child)
	small.stop()
	// Leftovers go before the last scan: nobody writes checkpoints any more.
	child.Stop(ctx, process.Stop{Reason: process.ReasonFinished})
	status := j.statusOf(child)
	j.gpus.ChildEnded()
	if r := j.reader.Load(); r != nil {
		r.Finish()
	}
	if err := j.output.Close(); err != nil {
		j.log.Warn("closing the output", "error", err)
	}
	if j.Screen != nil {
		j.Screen.Done()
	}
	o.status, o.ended = &status, j.Now()
	j.emit(contract.EventTrainingFinished, fmt.Sprintf("The %s process has ended: %s", jobNoun(j.cfg.Job.Type), status),
		map[string]any{"exit_code": status.ExitCode, "seconds": o.ended.Sub(o.started).Seconds(), "max_rss_bytes": status.MaxRSS})
	return o
}

// statusOf is how the child ended. A process in uninterruptible sleep (a hung
// driver, a dead NFS) outlives even SIGKILL: the job ends without it.
func (j *job) statusOf(child *process.Child) process.Status {
	select {
	case <-child.Done():
		return child.Status()
	default:
		j.warn("The process did not die of SIGKILL (uninterruptible sleep); the job ends without it.")
		return process.Status{ExitCode: 128 + int(syscall.SIGKILL), Signal: syscall.SIGKILL}
	}
}

// startChild starts the training process with the environment of contract §3.
func (j *job) startChild(relay *relayServer) (*process.Child, error) {
	extra := j.prepared.environment(j.ws)
	j.rendezvous(extra)
	extra["BACKEND_BASE_URL"], extra["CALLBACK_TOKEN"], extra["CALLBACK_URL"] = relay.url, relay.token, relay.url
	_ = os.Remove(j.torchErrors()) // an earlier run's
	extra["TORCHELASTIC_ERROR_FILE"] = j.torchErrors()
	if parent := j.tracer.Parent(); parent != "" {
		extra["TRACEPARENT"] = parent
	}
	env := childEnv(j.Environ, j.cfg, extra)
	spec := process.Spec{
		Args: process.Expand(j.Command, env), Env: env, Main: true, PTY: j.Terminal, NoNewPrivs: true,
	}
	console := j.Stdout
	if j.Screen != nil && j.Terminal {
		console = j.Screen.Other()
	}
	j.output = newChildOutput(console, j.training, j.cfg.Secrets(), j.progress.alive)
	spec.Stdout, spec.Stderr = j.output, j.output
	if j.cfg.RunAs != nil {
		spec.RunAs = &process.Identity{UID: j.cfg.RunAs.UID, GID: j.cfg.RunAs.GID}
		if err := process.Own(j.ws.root, *spec.RunAs, filepath.Base(j.ws.private())); err != nil {
			return nil, contract.Failf(contract.CodeConfigInvalid, "the workspace cannot be given to AGENT_RUN_AS=%s: %w.", spec.RunAs, err).
				WithHint("Run the agent as root, or leave AGENT_RUN_AS out.")
		}
	}
	return j.Supervisor.Start(spec)
}

func (j *job) torchErrors() string { return filepath.Join(j.ws.root, "torchelastic-error.json") }

// supervise waits for whichever comes first: the child's end, a request to stop,
// the time limit, a hang, or a GPU that is no use any more.
func (j *job) supervise(ctx context.Context, child *process.Child) outcome {
	o := outcome{started: j.Now()}
	limit := time.NewTimer(j.timeLimit())
	defer limit.Stop()
	if !j.leads() { // node 0 keeps the time for all
		limit.Stop()
	}
	hang := j.watchHang(child)
	defer hang.stop()
	select {
	case <-child.Done():
	case <-j.Supervisor.Stopping().Done():
		o.stop, o.deadline = diagnose.StopTold, j.Now().Add(j.cfg.StopGrace)
		j.leaving()
		j.stopChild(ctx, child, process.ReasonRequest, j.childGrace(), context.Cause(j.Supervisor.Stopping()).Error())
	case <-ctx.Done():
		o.stop, o.deadline = diagnose.StopTold, j.Now().Add(j.cfg.StopGrace)
		j.stopChild(context.WithoutCancel(ctx), child, process.ReasonRequest, j.childGrace(), "the caller ended the job")
	case <-limit.C:
		o.stop = diagnose.StopTimeLimit
		j.stopChild(ctx, child, process.ReasonTimeLimit, j.cfg.StopGrace, "the time limit is over")
	case <-hang.found:
		o.stop = diagnose.StopHang
		j.stopChild(ctx, child, process.ReasonHung, j.cfg.StopGrace, "the process hangs")
	case <-j.together.trouble():
		o.stop = diagnose.StopNode
		j.stopChild(ctx, child, process.ReasonFailure, j.cfg.StopGrace, "another machine of the job has failed or is lost")
	case <-j.gpuFatal():
		o.stop = diagnose.StopGPU
		j.stopChild(ctx, child, process.ReasonFailure, j.cfg.StopGrace, "a GPU is no use any more")
	}
	return o
}

// childGrace is the child's share of AGENT_STOP_GRACE; the rest is for the last
// checkpoint, the log and done.
func (j *job) childGrace() time.Duration { return j.cfg.StopGrace * 6 / 10 }

func (j *job) stopChild(ctx context.Context, child *process.Child, reason process.Reason, grace time.Duration, why string) {
	j.emit(contract.EventStopping, "Stopping the "+jobNoun(j.cfg.Job.Type)+" process: "+why,
		map[string]any{"reason": reason, "grace_seconds": grace.Seconds()})
	result := child.Stop(ctx, process.Stop{Reason: reason, Grace: grace})
	if result.Killed {
		j.warn(fmt.Sprintf("The process did not end within %s of %s and was killed.", result.Grace.Round(100*time.Millisecond), unix.SignalName(result.Signal)))
	}
	if err := result.Err(); err != nil {
		j.warn(err.Error())
	}
}

func (j *job) timeLimit() time.Duration {
	if t := j.cfg.Job.Training; t != nil {
		return t.MaxTrainingTime
	}
	return time.Duration(j.cfg.MaxTrainingSeconds) * time.Second
}

// stopped recognises an error that is only the sign of a request to stop, or of
// another machine's failure.
func (j *job) stopped(o outcome) outcome {
	if errors.Is(o.err, errTogether) {
		o.err, o.stop = nil, diagnose.StopNode
		return o
	}
	if request, ok := errors.AsType[process.Request](context.Cause(j.Supervisor.Stopping())); ok {
		o.err, o.stop, o.deadline = nil, diagnose.StopTold, j.Now().Add(j.cfg.StopGrace)
		j.emit(contract.EventStopping, "Stopping before the "+jobNoun(j.cfg.Job.Type)+" process has started: "+request.Error(), nil)
	}
	return o
}
