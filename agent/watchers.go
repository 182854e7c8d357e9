package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/autoreport"
	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox"
	"github.com/vision-platform/trainer-agent/agent/callbacks/relay"
	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	tracker "github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/monitor/gpu"
	"github.com/vision-platform/trainer-agent/agent/monitor/resources"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/contract"
)

// openSampler watches the container from the first phase on: a download can
// fill a disk too.
func (j *job) openSampler(ctx context.Context) error {
	sampler, err := resources.New(resources.Options{
		Workspace: j.ws.root, Framework: j.cfg.Framework, NumWorkers: j.cfg.NumWorkers, BatchSize: j.cfg.BatchSize, ImageSize: j.cfg.ImageSize,
		Progress: func() float64 { return j.progress.view().percent }, OnEvent: j.emit, Logger: j.log,
	})
	if err != nil {
		return err
	}
	j.sampler = sampler
	j.sampling = start(context.WithoutCancel(ctx), sampler.Run)
	return nil
}

// openGPUs starts the probe where there are GPUs. A machine without one is told
// so in one log line by the room.
func (j *job) openGPUs(ctx context.Context) error {
	j.gpuLost = make(chan struct{})
	var once sync.Once
	monitor, err := gpu.New(gpu.Options{
		Start: j.startProbe, ProbePath: findProbe(j.cfg.GPUProbe), Env: j.Environ, Logger: j.log, OnEvent: j.emit,
		OnFatal:  func(contract.GPUFault) { once.Do(func() { close(j.gpuLost) }) },
		XIDFatal: j.cfg.XIDFatal, XIDIgnore: j.cfg.XIDIgnore,
	})
	if err != nil {
		return err
	}
	j.gpus = monitor
	j.probing = start(context.WithoutCancel(ctx), monitor.Run)
	return nil
}

// findProbe looks beside the agent before it looks in PATH, so that a probe of
// another version is not taken by chance.
func findProbe(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), name); filepath.Base(name) == name {
			if _, err := os.Stat(beside); err == nil {
				return beside
			}
		}
	}
	if found, err := exec.LookPath(name); err == nil {
		return found
	}
	return name
}

// startProbe starts the GPU probe under the one owner of processes.
func (j *job) startProbe(_ context.Context, args, env []string) (gpu.Probe, error) {
	read, write := io.Pipe()
	child, err := j.Supervisor.Start(process.Spec{
		Args: args, Env: env, Stdout: write, StdinPipe: true, Nice: 10, OOMScoreAdj: 500,
	})
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	go func() {
		<-child.Done()
		_ = write.Close()
	}()
	return probe{child, read}, nil
}

type probe struct {
	*process.Child
	out io.Reader
}

func (p probe) Stdout() io.Reader { return p.out }
func (p probe) CloseStdin()       { _ = p.Stdin().Close() }
func (p probe) ExitCode() int     { return p.Status().ExitCode }
func (p probe) Signal(s os.Signal) error {
	if sig, ok := s.(syscall.Signal); ok {
		p.Child.Signal(sig)
	}
	return nil
}

// gpuFatal fires when a GPU is no use any more and AGENT_ON_GPU_ERROR is stop.
func (j *job) gpuFatal() <-chan struct{} {
	if j.cfg.OnGPUError == "stop" {
		return j.gpuLost
	}
	return nil
}

func (j *job) gpuBusy() bool {
	idle, known := j.gpus.Idle()
	return known && !idle
}

// systemNow is what heartbeats carry as system.
func (j *job) systemNow() *contract.System {
	s := j.sampler.Sample()
	if s == nil {
		s = &contract.System{}
	}
	if j.gpus != nil {
		s.GPUs = j.gpus.Snapshot()
	}
	return s
}

// systemLatest is for the metrics endpoint: a scrape takes nothing out of the
// means and maxima that the next heartbeat reports.
func (j *job) systemLatest() *contract.System {
	s := j.sampler.Latest()
	if j.gpus != nil {
		s.GPUs = j.gpus.Latest()
	}
	return s
}

// relayServer is the relay with its end.
type relayServer struct {
	*relay.Relay
	url, token string
}

func (j *job) startRelay() (*relayServer, error) {
	var accept relay.Outbox = silence{}
	if j.outbox != nil {
		accept = j.outbox
	}
	r, err := relay.New(relay.Options{
		Job: relay.Job{
			ID: j.cfg.JobID, Kinds: contract.KindsOf(j.cfg.Job.Type, contract.InferenceType(j.cfg.InferenceType)), Epochs: j.cfg.Epochs, Task: j.cfg.Job.Task,
			ImageResults: func(epoch int) string { return j.store.URI(contract.ImageResultsKey(j.cfg.JobID, epoch)) },
		},
		Metric: relay.Metric{
			Name: j.cfg.PrimaryMetric, Mode: contract.MetricMode(j.cfg.PrimaryMetricMode), Best: j.prepared.best, StateFile: j.ws.best(),
		},
		Outbox: accept, Full: outbox.ErrFull, Ended: outbox.ErrFinal,
		Observe: j.heard, System: j.systemNow, Logger: j.log, Now: j.Now,
	})
	if err != nil {
		return nil, err
	}
	j.relay.Store(r)
	return &relayServer{r, r.URL(), r.Token()}, nil
}

// stop lets the child's last requests have their answers.
func (r *relayServer) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = r.Close(ctx)
}

// heard sees everything that the child says.
func (j *job) heard(m contract.Message) {
	j.noted(m)
	if r := j.reader.Load(); r != nil {
		r.Observe(m)
	}
}

// noted takes a message of the child's, or one read from its result files.
func (j *job) noted(m contract.Message) {
	j.progress.observe(m)
	if w := j.watcher.Load(); w != nil {
		j.history.Observe(m)
		w.Observe(m)
		j.pulse.Observe(m)
	}
}

// openReader reports the epochs of a script that calls nobody.
func (j *job) openReader(ctx context.Context) error {
	if j.previous == nil { // a run that ended has reported what it had to
		_ = os.Remove(j.ws.reported())
	}
	reader, err := autoreport.New(autoreport.Options{
		Dir: j.ws.output(), Epochs: j.cfg.Epochs, After: j.prepared.resumeEpoch, StateFile: j.ws.reported(),
		System: j.systemNow, Now: j.Now, Logger: j.log,
		Emit: func(m contract.Message) error {
			if err := j.outbox.Append(m); err != nil {
				return err // it comes again
			}
			j.noted(m)
			return nil
		},
	})
	if err != nil {
		return err
	}
	j.reader.Store(reader)
	j.reading = start(context.WithoutCancel(ctx), func(ctx context.Context) { _ = reader.Run(ctx) })
	return nil
}

// openWatcher watches OUTPUT_DIR.
func (j *job) openWatcher(ctx context.Context) error {
	j.history = tracker.NewTracker(tracker.TrackerOptions{Now: j.Now, Metric: j.cfg.PrimaryMetric, Mode: contract.MetricMode(j.cfg.PrimaryMetricMode)})
	j.history.Resume(j.prepared.resumeEpoch, j.prepared.earlier)
	o := checkpoints.Options{
		Dir: j.ws.output(), JobID: j.cfg.JobID, Store: j.store, OutputPrefix: contract.OutputPrefix(j.cfg.Job),
		History:    j.history,
		Retention:  checkpoints.Retention{Epochs: j.cfg.Epochs, Frequency: j.cfg.CheckpointFrequency, Keep: j.cfg.KeepCheckpoints, Fresh: j.cfg.Resume == "off"},
		Pace:       checkpoints.Pace{Concurrency: j.cfg.UploadConcurrency, FlushTimeout: j.cfg.FlushTimeout},
		ScratchDir: j.ws.scratch(), Now: j.Now, Log: j.log,
		OnEvent: func(event contract.EventType, message string, data any) {
			j.progress.alive()
			j.emit(event, message, data)
		},
	}
	watcher, err := checkpoints.New(o)
	if err != nil {
		return err
	}
	j.watcher.Store(watcher)
	j.watching = start(context.WithoutCancel(ctx), func(ctx context.Context) { _ = watcher.Run(ctx) })
	return nil
}

// watch starts what watches the machine, and the agent's own heartbeat.
func (j *job) watch(ctx context.Context) error {
	if err := j.openSampler(ctx); err != nil {
		return err
	}
	j.memory = start(context.WithoutCancel(ctx), process.MemoryWatch{Read: process.ReadMemory, Warn: j.memoryHigh, Log: j.log}.Run)
	if err := j.openGPUs(ctx); err != nil {
		return err
	}
	if j.outbox != nil {
		j.pulse = outbox.NewPulse(outbox.PulseOptions{
			Outbox: j.outbox, Every: j.cfg.HeartbeatInterval, Now: j.Now,
			Phase: func() string { return j.progress.view().phase }, Transfer: j.transferNow, System: j.systemNow,
		})
		j.beating = start(context.WithoutCancel(ctx), func(ctx context.Context) { _ = j.pulse.Run(ctx) })
	}
	return j.openEndpoint(ctx)
}

// memoryHigh warns while there is still somebody to do so: where the kernel kills
// the whole container for want of memory (memory.oom.group), these are the last
// words on disk.
func (j *job) memoryHigh(level int, m process.Memory) {
	j.life.memory(level, m.Limit)
	j.emit(contract.EventResourceWarning,
		fmt.Sprintf("Memory is at %d %% of %s: the kernel kills the training when it is full. Use fewer workers or ask for more memory.", level, contract.Bytes(m.Limit)),
		map[string]any{"resource": "memory", "used_bytes": m.Used, "limit_bytes": m.Limit, "percent": level})
}

// transferNow is the download, or else the uploads, for the agent's heartbeat.
func (j *job) transferNow() *contract.Transfer {
	if w := j.watcher.Load(); w != nil {
		if t := w.Progress(); t.Queued > 0 || t.BytesTotal > t.BytesDone {
			return &t
		}
	}
	return j.progress.view().transfer
}
