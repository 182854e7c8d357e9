package checkpoints

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/redact"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// Store is the bucket as this package uses it. Errors of Stat, Get, Copy and
// Delete wrap fs.ErrNotExist for an object that is not there. commit of Put runs
// when all bytes are read and before the object becomes visible; an error of it
// leaves nothing behind. The methods are called from several goroutines.
type Store interface {
	Stat(ctx context.Context, key string) (contract.ObjectInfo, error)
	Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error)
	Put(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error)
	Copy(ctx context.Context, srcKey, dstKey string) (contract.ObjectInfo, error)
	Delete(ctx context.Context, key string) error
	URI(key string) string
}

// History is what is known of the job's epochs; job.Tracker is one. It must have
// taken a message before Observe has it.
type History interface {
	EpochAt(at time.Time) (epoch int, metrics contract.Metrics, ok bool)
	Metrics(epoch int) contract.Metrics
	Best() (job.Value, bool)
	History() []contract.EpochMetrics
}

// Options describe the job whose files are brought up. Dir, JobID and Store are
// required; the zero value of everything else is the default named beside it.
type Options struct {
	Dir     string // OUTPUT_DIR; it may appear later
	JobID   string
	Store   Store   // agent/storage's Store fits
	History History // default: nothing is known of epochs

	// OutputPrefix is contract.OutputPrefix of an inference or export job. When it is
	// set, everything below Dir goes under it: models in Finish, other files as they
	// appear.
	OutputPrefix string
	Whole        bool // the files of this job are of use only together, as those of an export
	// Earlier are the folders below OutputPrefix that a run on another machine has filled.
	Earlier    []contract.Artifact
	ScratchDir string // for private snapshots, on Dir's file system; none are made without it

	Retention
	Pace
	Limits Limits // of outputs

	Redact *redact.Redactor // takes secrets out of the manifest; nil hides only the users of URLs

	Now func() time.Time // default time.Now
	Log *slog.Logger     // default discards
	// OnEvent takes checkpoint_saved with contract.CheckpointSaved and
	// checkpoint_upload_failed with contract.ManifestFailed. The watch waits for it.
	OnEvent func(eventType contract.EventType, message string, data any)
}

// Retention says which checkpoints stay.
type Retention struct {
	Epochs    int  // of the whole training; 0 = not known
	Frequency int  // CHECKPOINT_FREQUENCY in epochs; 0 = only best and last
	Keep      int  // AGENT_KEEP_CHECKPOINTS: how many epoch-n stay; 0 = all
	Fresh     bool // AGENT_RESUME=off: forget what an earlier run of the job left in the manifest
}

// Pace says how fast things go.
type Pace struct {
	Concurrency  int           // uploads in flight, default 2
	FlushTimeout time.Duration // the most that Finish takes, default 10 min
	ScanInterval time.Duration // between two looks without a hint, default 10 s
	Settle       time.Duration // between the two looks that a file must pass unchanged, default 250 ms
	ScanOnly     bool          // no inotify
}

// Limits bound the outputs, which are files that are no checkpoints.
type Limits struct {
	Files      int   // default 1,000 for training, 100,000 for inference and export
	FileBytes  int64 // of one file; default 64 MiB for training, none otherwise
	TotalBytes int64 // of all; default 1 GiB for training, 100 GiB otherwise
}

func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" || o.JobID == "" || o.Store == nil {
		return o, errors.New("checkpoints: Dir, JobID and Store are required")
	}
	setDefault(&o.Concurrency, 2)
	setDefault(&o.FlushTimeout, 10*time.Minute)
	setDefault(&o.ScanInterval, 10*time.Second)
	setDefault(&o.Settle, 250*time.Millisecond)
	o.Limits = o.Limits.withDefaults(o.OutputPrefix == "")
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.History == nil {
		o.History = job.NewTracker(job.TrackerOptions{Now: o.Now})
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.OnEvent == nil {
		o.OnEvent = func(contract.EventType, string, any) {}
	}
	// A link that an operator set is followed here, before the child starts; one
	// that appears later is refused.
	if real, err := filepath.EvalSymlinks(o.Dir); err == nil {
		o.Dir = real
	}
	if o.ScratchDir != "" {
		if err := os.MkdirAll(o.ScratchDir, 0o700); err != nil {
			return o, fmt.Errorf("making the folder for snapshots: %w", err)
		}
	}
	return o, nil
}

func (l Limits) withDefaults(training bool) Limits {
	if training {
		setDefault(&l.Files, 1000)
		setDefault(&l.FileBytes, 64<<20)
		setDefault(&l.TotalBytes, 1<<30)
		return l
	}
	setDefault(&l.Files, 100_000)
	setDefault(&l.FileBytes, 1<<40)
	setDefault(&l.TotalBytes, 100<<30)
	return l
}

func setDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
