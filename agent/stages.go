package agent

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks"
	"github.com/vision-platform/trainer-agent/agent/callbacks/autoreport"
	"github.com/vision-platform/trainer-agent/agent/callbacks/completions"
	"github.com/vision-platform/trainer-agent/agent/callbacks/heartbeat"
	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox"
	"github.com/vision-platform/trainer-agent/agent/callbacks/relay"
	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/resume"
	"github.com/vision-platform/trainer-agent/agent/cluster"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/dataset"
	"github.com/vision-platform/trainer-agent/agent/internal/httpx"
	"github.com/vision-platform/trainer-agent/agent/internal/redact"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/monitor"
	"github.com/vision-platform/trainer-agent/agent/monitor/gpu"
	"github.com/vision-platform/trainer-agent/agent/monitor/hang"
	"github.com/vision-platform/trainer-agent/agent/monitor/memory"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/process/isolation"
	"github.com/vision-platform/trainer-agent/agent/process/output"
	"github.com/vision-platform/trainer-agent/agent/process/training"
	"github.com/vision-platform/trainer-agent/agent/settings"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/agent/telemetry"
	"github.com/vision-platform/trainer-agent/agent/telemetry/trace"
	"github.com/vision-platform/trainer-agent/agent/telemetry/trackers"
	"github.com/vision-platform/trainer-agent/agent/ui"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// A base is what every stage may use.
type base struct {
	o       *Options
	cfg     *config.Config
	ws      job.Workspace
	tracker *job.Tracker
	events  *job.Events
	bus     *job.Bus
	store   *storage.Access
	secrets *redact.Redactor // takes them out of whatever leaves the machine
	group   *cluster.Group
}

func newBase(o *Options) (b base, err error) {
	cfg := o.Config
	b = base{o: o, cfg: cfg, secrets: redact.New(cfg.Secrets()), bus: &job.Bus{}, store: &storage.Access{Config: settings.Bucket(cfg, o.Environ, o.Log)}, events: job.NewEvents(o.Log, o.Now, cfg.SnapshotID),
		tracker: job.NewTracker(job.TrackerOptions{Now: o.Now, Metric: cfg.PrimaryMetric, Mode: contract.MetricMode(cfg.PrimaryMetricMode)})}
	b.bus.Listen(b.tracker.Observe)
	host, _ := os.Hostname()
	nodes := settings.Nodes(cfg, host, o.Log)
	nodes.OnEvent = cluster.TakeOver(b.events)
	b.group = cluster.NewGroup(nodes)
	for _, p := range o.Problems {
		if p.Warning {
			b.events.Warn(p.String())
		}
	}
	b.ws, err = job.NewWorkspace(cfg.WorkspaceDir, cfg.StateDir)
	return b, err
}

// newLife lists the stages of a job in the order of their start, and wires the rooms
// together. Nothing is started.
func newLife(o *Options) *life {
	b, unfound := newBase(o)
	cfg := o.Config
	id := identity{cfg.JobID, cfg.TraceID, o.Now()}

	traces, tracker := b.traces(id), b.metricsTracker(id)
	termination := &telemetry.Termination{Path: o.Termination, Secrets: b.secrets}
	claim, log := &job.Claim{Workspace: b.ws, JobID: cfg.JobID, Events: b.events}, &telemetry.Recording{Workspace: b.ws}
	queue := b.queue()
	marker := &job.Marking{Path: b.ws.Private().MarkerFile(), Node: cfg.NodeName, Events: b.events, Now: o.Now, Memory: memory.Read}
	remembered := &job.Remembering{Key: contract.RunMarkerKey(cfg.JobID, cfg.NodeRank), Bucket: func() job.Bucket { return b.store.Store },
		Marking: marker, Tracker: b.tracker, Events: b.events, Wake: make(chan struct{}, 1)}
	limit := telemetry.AtTheLimit{Run: contract.Result{JobID: id.job, TraceID: id.trace, Started: contract.At(id.started)}, Message: termination, Marking: marker, Bucket: remembered, Events: b.events}

	need := dataset.Supply{Bucket: func() dataset.Bucket { return b.store.Store }, Tracker: b.tracker, Events: b.events, Now: o.Now}
	fetched := &dataset.Fetching{Supply: need, Request: settings.Dataset(cfg, b.ws, o.Log)}
	converted := &dataset.Conversion{Supply: need, From: fetched, Request: config.NeededFormat(cfg, b.ws.Prepared())}
	library, address := settings.Weights(cfg, b.ws, o.Log)
	weights := &dataset.WeightsFetching{Supply: need, Library: library, Request: address, Client: b.store.Client}
	earlierRun := &resume.Stage{Off: cfg.Resume == "off", Epochs: cfg.Epochs, Tracker: b.tracker, Events: b.events, Options: func() resume.Options {
		return resume.Options{JobID: cfg.JobID, Store: b.store.Store, Dir: b.ws.Inputs()}
	}}
	pictures := &dataset.PictureList{Supply: need, From: fetched, Request: config.NeededFormat(cfg, b.ws.Prepared()), Dir: b.ws.Inputs()}
	given := &dataset.InputsFetching{Supply: need, JobID: cfg.JobID, Dir: b.ws.Inputs(), CheckpointURI: cfg.CheckpointPath, ImageURIs: config.NeededImages(cfg),
		Parts: dataset.EarlierParts{Prefix: config.NeededParts(cfg), Dir: b.ws.Output(), Fresh: cfg.Resume == "off"},
		Open:  func(ctx context.Context, bucket string) (dataset.Bucket, error) { return b.store.Open(ctx, bucket) }}
	converted.Suit = func(r *converters.Request) {
		if given.HasRotatedBoxes() {
			config.KeepOutlines(r)
		}
	}

	up := b.uploads(&given.Parts)
	progress := b.progress(up, queue)
	machine := b.machine()
	beat := &callbacks.Heartbeat{Queue: queue, Options: heartbeat.Options{
		Every: cfg.HeartbeatInterval, Now: o.Now, Job: b.tracker.View, Transfer: up.Transfer, System: machine.Now,
	}}
	files := b.resultFiles(queue, earlierRun, marker, machine)
	answers := b.relay(queue, files, machine)
	apart := settings.Isolation(cfg, b.ws, o.Environ, o.SecretFiles)
	apart.Supervisor, apart.Helper, apart.Events, apart.Log = o.Supervisor, o.Reach, b.events, o.Log
	apart.Job.Used = func() []string { return []string{fetched.Dir(), weights.Got.Path} }
	fetched.Request.CacheGuard.Open, weights.Request.CacheGuard.Open = apart.SharesFiles, apart.SharesFiles
	child := b.training(machine, log, apart, func() map[string]string {
		extra := job.Inputs{
			Dataset: fetched.Dir(), Annotated: fetched.Annotations(), Converted: converted.Got, Weights: weights.Got.Path,
			Resumed: earlierRun.Path(), Epoch: earlierRun.Epoch(), Checkpoint: given.Checkpoint, Images: given.Images, ImageList: cmp.Or(given.List, pictures.List), Classes: given.Classes,
		}.Environment(b.ws)
		maps.Copy(extra, answers.Environment())
		if parent := traces.Tracer.Parent(); parent != "" {
			extra["TRACEPARENT"] = parent
		}
		return extra
	})
	b.events.Send(queue.Send)
	b.events.Send(b.group.PassOn)
	b.bus.Listen(beat.Observe)
	b.bus.Listen(tracker.Observe)

	l := &life{base: b, runner: stage.Runner{Warn: b.events.Warn}, child: child, resume: earlierRun, converted: converted}
	l.opening = []stage.Step{
		{Name: "traces", Stage: traces, Optional: true},
		{Name: "the metrics tracker", Stage: tracker, Optional: true},
		{Name: "the workspace", Stage: does(func() error { return unfound })},
		{Name: "the workspace's lock", Stage: claim},
		{Name: "the training log", Stage: log},
		{Name: "the outbox", Stage: queue},
		{Name: "the configuration", Stage: does(func() error { return config.Failure(o.Problems) })},
		{Name: "the isolation", Stage: apart},
		{Name: "the run marker", Stage: marker},
		{Name: "the progress", Stage: progress},
		{Name: "what an earlier run left", Stage: callbacks.Earlier{Queue: queue, Killed: marker.Killed, Warn: b.events.Warn}},
		{Name: "the sender", Stage: stage.Once(queue.Deliver)},
	}
	l.watching = []stage.Step{
		{Name: "the announcement", Stage: does(func() error {
			b.events.Started(announced(cfg), marker.Previous)
			return nil
		})},
		{Name: "the resource watch", Stage: machine.Resources},
		{Name: "the memory watch", Stage: memory.Watching(memory.Read, b.events, limit, o.Log)},
		{Name: "the GPU watch", Stage: machine.GPUs},
		{Name: "the heartbeat", Stage: beat},
		{Name: "the metrics endpoint", Stage: b.metrics(queue, up, machine, child), Optional: true},
	}
	l.meeting = []stage.Step{{Name: "the job's other machines", Stage: cluster.Gathering{Group: b.group, Tracker: b.tracker}}}
	l.inputs = []stage.Step{{Name: "the store", Stage: b.store}, {Name: "the job's earlier runs", Stage: remembered}}
	if cfg.Job.Type != contract.JobTraining { // first: the conversion asks the checkpoint
		l.inputs = append(l.inputs, stage.Step{Name: "the checkpoint and images", Stage: given})
	}
	if config.NeededDataset(cfg) != "" || cfg.DatasetPath != "" {
		l.inputs = append(l.inputs, stage.Step{Name: "the dataset", Stage: fetched}, stage.Step{Name: "the conversion", Stage: converted})
	}
	if cfg.Job.Type == contract.JobTraining {
		l.inputs = append(l.inputs, stage.Step{Name: "the weights", Stage: weights}, stage.Step{Name: "the resume", Stage: earlierRun})
	} else if config.TakesPictures(cfg) {
		l.inputs = append(l.inputs, stage.Step{Name: "the dataset's pictures", Stage: pictures})
	}
	l.training = []stage.Step{{Name: "the relay", Stage: answers}, {Name: "the training", Stage: child}, {Name: "what preparing took of memory", Stage: does(func() error { debug.FreeOSMemory(); return nil })}}
	if b.group.Leads() { // node 0 uploads and reports for all
		l.uploads = []stage.Step{{Name: "the checkpoint watch", Stage: up, Within: cfg.StopGrace}}
		if cfg.Job.Type == contract.JobTraining {
			l.uploads = append(l.uploads, stage.Step{Name: "the class list", Stage: &dataset.ClassList{From: converted, JobID: cfg.JobID, Keep: b.store.Keep}, Optional: true})
			l.training = slices.Insert(l.training, 0, stage.Step{Name: "the result files", Stage: files})
		}
	}
	l.finish = &finish{base: b, id: id, termination: termination, claim: claim, log: log, marker: marker, remembered: remembered, queue: queue, uploads: up, tracing: traces, metrics: tracker, progress: progress, look: func() scene {
		s := scene{view: b.tracker.View(), final: b.tracker.Final(), tail: child.Tail(), torch: child.TorchErrors(), resumed: earlierRun.Got != nil, crowded: answers.Crowded()}
		s.system, s.gpu = machine.Evidence()
		return s
	}}
	return l
}

// announced is what the first event says of the job, and of where it runs.
func announced(cfg *config.Config) map[string]any {
	known := map[string]any{
		"job_type": cfg.JobType, "task_type": cfg.TaskType, "framework": cfg.Framework, "model_name": cfg.ModelName, "device": cfg.Device, "nodes": cfg.Nodes,
	}
	if cfg.TrainerName != "" {
		known["trainer"] = contract.UsedTrainer{Name: cfg.TrainerName, Version: cfg.TrainerVersion, Digest: cfg.TrainerDigest}
	}
	if cfg.Job.Type == contract.JobTraining {
		known["primary_metric"] = cfg.PrimaryMetric
	}
	for name, value := range map[string]string{"pod": cfg.PodName, "node": cfg.NodeName} {
		if value != "" {
			known[name] = value
		}
	}
	return known
}

// does is a stage that is done at once.
func does(f func() error) stage.Once { return func(context.Context) error { return f() } }

// metricsTracker copies metrics for the machine that speaks for all.
func (b base) metricsTracker(id identity) *trackers.Tracking {
	cfg, events := b.cfg, ""
	if cfg.TensorBoard {
		events = b.ws.Private().EventFile(id.started)
	}
	return &trackers.Tracking{
		Events: events,
		Off:    cfg.Job.Type != contract.JobTraining || !b.group.Leads(), Getenv: httpx.Getenv(b.o.Environ), Log: b.o.Log,
		Client: func() (*http.Client, error) { return b.store.ClientTrusting("") },
		Run:    settings.Run(cfg, id.started),
	}
}

// traces trusts the collector's own authorities, or those of every other connection.
func (b base) traces(id identity) *trace.Tracing {
	return &trace.Tracing{
		Tracker: b.tracker, Client: b.store.ClientTrusting,
		Options: trace.Options{TraceID: id.trace, Started: id.started, Getenv: httpx.Getenv(b.o.Environ), Now: b.o.Now, Log: b.o.Log, Job: settings.Labels(b.cfg)},
	}
}

// metrics says what a scraper is told.
func (b base) metrics(queue *callbacks.Queue, up *checkpoints.Uploading, machine monitor.Machine, child *training.Training) *telemetry.Serving {
	read := telemetry.Sources{
		JobType: b.cfg.Job.Type, Framework: b.cfg.Framework, Epochs: b.cfg.Epochs, PrimaryMetric: b.cfg.PrimaryMetric, Tracker: b.tracker,
		System: machine.Latest,
		Store:  b.store.Config.Counts.Read,
		Checkpoints: func() (telemetry.Checkpoints, bool) {
			s, watched := up.Stats()
			return telemetry.Checkpoints(s), watched
		},
		Callbacks: func() (telemetry.Callbacks, bool) {
			s, told := queue.Stats()
			return telemetry.Callbacks(s), told
		},
		Usage: child.Usage,
	}.Read
	return &telemetry.Serving{Addr: b.cfg.MetricsAddr, Read: read, Log: b.o.Log}
}

// queue needs to know the backend, the job and the token; where the configuration
// lacks one of them there is nobody to tell.
func (b base) queue() *callbacks.Queue {
	backend, secrets := settings.Backend(b.cfg)
	return &callbacks.Queue{
		Dir: b.ws.Private().Outbox(), Log: b.o.Log, Final: contract.FinalKind(b.cfg.Job.Type, contract.InferenceType(b.cfg.InferenceType)),
		Mute: !settings.Tellable(b.cfg) || !b.group.Leads(),
		Options: outbox.Options{
			JobID: b.cfg.JobID, TraceID: b.cfg.TraceID, Logger: b.o.Log, Now: b.o.Now, Backend: backend, Secrets: secrets, Redact: b.secrets,
		},
	}
}

func (b base) progress(up *checkpoints.Uploading, queue *callbacks.Queue) *ui.Progress {
	return &ui.Progress{Screen: b.o.Screen, Log: b.o.Log, Quiet: b.o.Quiet, Outcome: telemetry.LevelOutcome,
		Mask: b.secrets.String, Job: ui.Job{
			ID: b.cfg.JobID, Type: b.cfg.Job.Type, Epochs: b.cfg.Epochs, Metric: b.cfg.PrimaryMetric, Tracker: b.tracker, Now: b.o.Now,
			Uploads: up.Rows, Pending: queue.Pending,
		}}
}

func (b base) machine() monitor.Machine {
	watched, gpus := settings.Resources(b.cfg, b.ws), settings.GPUs(b.cfg, b.o.Environ)
	watched.Progress, watched.OnEvent, watched.Logger = func() float64 { return b.tracker.View().Percent }, b.events.Emit, b.o.Log
	gpus.OnEvent, gpus.Logger = b.events.Emit, b.o.Log
	gpus.Start = func(_ context.Context, args, env []string) (gpu.Probe, error) {
		return b.o.Supervisor.StartPiped(args, env)
	}
	return monitor.Machine{Resources: &monitor.Resources{Options: watched}, GPUs: &monitor.GPUs{StopsJob: b.cfg.OnGPUError == "stop", Node: b.cfg.NodeName, Options: gpus}}
}

func (b base) uploads(earlier *dataset.EarlierParts) *checkpoints.Uploading {
	return &checkpoints.Uploading{Tracker: b.tracker, Events: b.events, Bus: b.bus, Options: func() checkpoints.Options {
		o := settings.Checkpoints(b.cfg, b.ws)
		o.Store, o.Redact, o.Now, o.Log, o.Earlier = b.store.Store, b.secrets, b.o.Now, b.o.Log, earlier.Left
		return o
	}}
}

func (b base) resultFiles(queue *callbacks.Queue, found *resume.Stage, marker *job.Marking, machine monitor.Machine) *callbacks.ResultFiles {
	return &callbacks.ResultFiles{Queue: queue, Bus: b.bus, Fresh: func() bool { return marker.Previous == nil }, Options: func() autoreport.Options {
		return autoreport.Options{Dir: b.ws.Output(), Epochs: b.cfg.Epochs, After: found.Epoch(), StateFile: b.ws.Private().ReportedFile(),
			System: machine.Now, Now: b.o.Now, Logger: b.o.Log}
	}}
}

func (b base) relay(queue *callbacks.Queue, files *callbacks.ResultFiles, machine monitor.Machine) *callbacks.Relay {
	cfg := b.cfg
	return &callbacks.Relay{Queue: queue, Bus: b.bus, Said: files.Said, Options: func() relay.Options {
		return relay.Options{
			Job: relay.Job{
				ID: cfg.JobID, Kinds: contract.KindsOf(cfg.Job.Type, contract.InferenceType(cfg.InferenceType)), Epochs: cfg.Epochs, Task: cfg.Job.Task,
				ImageResults: func(epoch int) string { return b.store.Store.URI(contract.ImageResultsKey(cfg.JobID, epoch)) },
			},
			PrimaryMetric: cfg.PrimaryMetric, PrimaryMode: contract.MetricMode(cfg.PrimaryMetricMode), Judge: b.tracker.Judge,
			System: machine.Now, Logger: b.o.Log, Now: b.o.Now, Completions: b.completions(),
		}
	}}
}

// completions asks the language model for the child; nil where explanations need no words.
func (b base) completions() http.Handler {
	if !b.cfg.EnableLLMExplanation {
		return nil
	}
	client, err := b.store.Client()
	if err != nil {
		b.events.Warn("The explanations are not put into words: " + err.Error())
		return nil
	}
	o := settings.Completions(b.cfg)
	o.Client, o.Log, o.Now = client, b.o.Log, b.o.Now
	return completions.New(o)
}

// training is the child, with the environment of contract §3.
func (b base) training(machine monitor.Machine, log *telemetry.Recording, apart *isolation.Stage, extra func() map[string]string) *training.Training {
	cfg, noun, torch := b.cfg, job.Noun(b.cfg.Job.Type), filepath.Join(b.ws.Home(), "torchelastic-error.json")
	var given map[string]string
	t := &training.Training{
		Supervisor: b.o.Supervisor, Noun: noun, TorchError: torch, Tracker: b.tracker, Events: b.events, Now: b.o.Now,
		Limits: training.Limits{Grace: cfg.StopGrace},
		Spec: func() (process.Spec, error) {
			given = extra()
			given["TORCHELASTIC_ERROR_FILE"] = torch
			if withheld := cfg.Withheld(b.o.Environ); len(withheld) > 0 {
				b.o.Log.Info("variables that look like secrets are kept from the training process; AGENT_CHILD_ENV_ALLOW names exceptions", "variables", withheld)
			}
			spec, err := settings.Child(cfg, b.ws, b.o.Command, b.o.Environ, given)
			if err != nil {
				return spec, err
			}
			spec.PTY = b.o.Terminal
			spec.Confine, err = apart.Plan() // when all that it is given is there
			return spec, err
		},
		Output: func() *output.Splitter {
			return output.NewSplitter(b.o.Screen.Console(b.o.Stdout, b.o.Terminal), log.Log, cfg.Secrets(), b.tracker.Alive)
		},
		Watch: training.Watch{
			Trouble: b.group.Trouble, Leaving: b.group.Leaving, Ended: machine.ChildEnded, StopHung: cfg.HangStop,
			GPULost: machine.GPUs.Lost,
			Hang: hang.Watch{Timeout: cfg.HangTimeout, Now: b.o.Now, GPUBusy: machine.GPUs.Busy,
				Activity: func() time.Time { return b.tracker.View().Activity }}.Wait,
			Started: func(pid int) {
				machine.ChildStarted(pid)
				b.events.Emit(contract.EventTrainingStarted, "The "+noun+" process has started",
					map[string]any{"command": b.o.Command, "pid": pid, "resumed": given["RESUME_CHECKPOINT"] != ""})
			},
		},
	}
	if b.group.Leads() { // node 0 keeps the time for all
		t.Limits.Time = cfg.TimeLimit()
	}
	if b.o.Screen != nil {
		t.Rested = b.o.Screen.Done
	}
	return t
}
