package checkpoints

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Options describe the job whose files are brought up. Dir, JobID and Store are
// required; the zero value of everything else is the default named beside it.
type Options struct {
	Dir   string // OUTPUT_DIR; it may appear later
	JobID string
	Store store // agent/storage's Store fits

	// OutputPrefix is contract.OutputPrefix of an inference or export job. When
	// it is set, everything below Dir goes under it in Finish, and nothing before.
	OutputPrefix string

	Frequency     int // CHECKPOINT_FREQUENCY in epochs; 0 = only best and last
	Keep          int // AGENT_KEEP_CHECKPOINTS: how many epoch-n stay; 0 = all
	PrimaryMetric string
	MetricMode    contract.MetricMode // default max

	Concurrency  int           // uploads in flight, default 2
	FlushTimeout time.Duration // the most that Finish takes, default 10 min
	ScanInterval time.Duration // between two looks without a hint, default 10 s
	Settle       time.Duration // between the two looks that a file must pass unchanged, default 250 ms
	ScanOnly     bool          // no inotify
	Fresh        bool          // AGENT_RESUME=off: forget what an earlier run of the job left in the manifest
	ScratchDir   string        // for private snapshots, on Dir's file system; none are made without it
	Limits       Limits        // of outputs

	Now func() time.Time // default time.Now
	Log *slog.Logger     // default discards
	// OnEvent takes checkpoint_saved with contract.CheckpointSaved and
	// checkpoint_upload_failed with contract.ManifestFailed. The watch waits for it.
	OnEvent func(eventType contract.EventType, message string, data any)
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
	if o.MetricMode == "" {
		o.MetricMode = contract.MetricMax
	}
	setDefault(&o.Concurrency, 2)
	setDefault(&o.FlushTimeout, 10*time.Minute)
	setDefault(&o.ScanInterval, 10*time.Second)
	setDefault(&o.Settle, 250*time.Millisecond)
	if o.OutputPrefix == "" {
		setDefault(&o.Limits.Files, 1000)
		setDefault(&o.Limits.FileBytes, 64<<20)
		setDefault(&o.Limits.TotalBytes, 1<<30)
	} else {
		setDefault(&o.Limits.Files, 100_000)
		setDefault(&o.Limits.FileBytes, 1<<40)
		setDefault(&o.Limits.TotalBytes, 100<<30)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.OnEvent == nil {
		o.OnEvent = func(contract.EventType, string, any) {}
	}
	if o.ScratchDir != "" {
		if err := os.MkdirAll(o.ScratchDir, 0o700); err != nil {
			return o, fmt.Errorf("making the folder for snapshots: %w", err)
		}
	}
	return o, nil
}

func setDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
