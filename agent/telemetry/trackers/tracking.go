package trackers

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/regular"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/contract"
)

// status is how a run ended, in MLflow's words.
type status string

const (
	finished status = "FINISHED"
	failed   status = "FAILED"
	killed   status = "KILLED"
)

// Run describes the job to a tracker.
type Run struct {
	JobID   string
	Started time.Time
	Tags    map[string]string
	Params  map[string]string
}

// Tracking is the stage that copies metrics to the trackers that the environment names.
type Tracking struct {
	Off    bool // not this job, or not this machine
	Run    Run
	Getenv func(string) string
	Client func() (*http.Client, error)
	Events string // TensorBoard's event file, "" for none
	Log    *slog.Logger

	board *feed
	feeds []*feed // the board's too
	mu    sync.Mutex
	last  map[string]point // of each name: what was sent is not sent again
}

// Start begins sending where a tracker is named. An error is no reason to lose a job.
func (t *Tracking) Start(context.Context) error {
	if t.Off {
		return nil
	}
	if t.Events != "" {
		t.board = t.add("TensorBoard", &board{path: t.Events})
	}
	address := t.Getenv("MLFLOW_TRACKING_URI")
	if address == "" {
		return nil
	}
	to, err := newMLflow(address, t.Run, t.Getenv)
	if err != nil {
		return err
	}
	if to.client, err = t.Client(); err != nil {
		return err
	}
	t.add("MLflow", to)
	return nil
}

func (t *Tracking) add(name string, to tracker) *feed {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = map[string]point{}
	}
	f := newFeed(name, to, t.Log)
	f.start()
	t.feeds = append(t.feeds, f)
	return f
}

// Stop ends the senders.
func (t *Tracking) Stop(ctx context.Context) error {
	for _, f := range t.feeds {
		f.stop()
	}
	for _, f := range t.feeds {
		select {
		case <-f.done:
		case <-ctx.Done():
		}
	}
	return nil
}

// Observe takes the metrics of a callback of the child's.
func (t *Tracking) Observe(m contract.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.feeds) == 0 {
		return
	}
	switch p := m.Decoded().(type) {
	case contract.Heartbeat:
		t.take(p.Epoch, p.Metrics, m.Time)
	case contract.Validation:
		t.take(p.Epoch, p.Metrics, m.Time)
		if p.PrimaryMetricName != "" {
			t.take(p.Epoch, contract.Metrics{p.PrimaryMetricName: p.PrimaryMetricValue}, m.Time)
		}
	}
}

func (t *Tracking) take(epoch int, metrics contract.Metrics, at time.Time) {
	var points []point
	for name, value := range metrics {
		if !value.Finite() {
			continue
		}
		if before, ok := t.last[name]; ok && before.epoch == epoch && before.value == float64(value) {
			continue // a heartbeat and a validation of one epoch say much the same
		}
		p := point{name: name, value: float64(value), epoch: epoch, at: at}
		if len(t.last) < maxWaiting { // names are the child's
			t.last[name] = p
		}
		points = append(points, p)
	}
	for _, f := range t.feeds {
		f.add(points)
	}
}

// Bucket is where the event file goes when the training has ended.
type Bucket interface {
	Put(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error)
}

// Upload ends the event file and puts it into the bucket, within limit; there may be none.
func (t *Tracking) Upload(ctx context.Context, limit time.Duration, bucket Bucket, key func(name string) string) error {
	if t.board == nil {
		return nil
	}
	t.board.end(finished, boardLimit)()
	return stage.Bound(ctx, max(limit, time.Second), "uploading the event file", func(ctx context.Context) error {
		file, err := regular.Open(t.Events) // the child could have put a pipe or a link there
		if errors.Is(err, fs.ErrNotExist) {
			return nil // why is in the log
		} else if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		info, err := file.Stat()
		if err == nil {
			_, err = bucket.Put(ctx, key(filepath.Base(t.Events)), file, info.Size(), nil)
		}
		return err
	})
}

// boardLimit is how long a disk may take.
const boardLimit = time.Second

// End tells the trackers how the job ended, beside whatever else the end still does. The
// returned function waits for it, no longer than stage.MinTail.
func (t *Tracking) End(r contract.Result) (wait func()) {
	var waits []func()
	for _, f := range t.feeds {
		if f != t.board {
			waits = append(waits, f.end(statusOf(r), stage.MinTail))
		}
	}
	return func() {
		for _, wait := range waits {
			wait()
		}
	}
}

func statusOf(r contract.Result) status {
	switch {
	case r.ExitCode == contract.ExitStopped:
		return killed
	case r.Status == contract.StatusSucceeded:
		return finished
	}
	return failed
}
