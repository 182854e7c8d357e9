package checkpoints

import (
	"context"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// historyOf is a history in which each epoch from first on had this primary metric.
func historyOf(t *testing.T, first int, values ...float64) *job.Tracker {
	t.Helper()
	tracker := job.NewTracker(job.TrackerOptions{Now: time.Now, Metric: "mAP50-95"})
	for i, v := range values {
		tracker.Observe(heartbeat(t, first+i, contract.Metrics{"mAP50-95": contract.Number(v)}))
	}
	return tracker
}

func heartbeat(t *testing.T, epoch int, metrics contract.Metrics) contract.Message {
	t.Helper()
	now := time.Now()
	m, err := contract.NewMessage(contract.KindHeartbeat, contract.Heartbeat{Epoch: epoch, Metrics: metrics, Timestamp: contract.At(now)}, now)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// rig is a watcher on an empty OUTPUT_DIR and a bucket in memory.
type rig struct {
	*Watcher
	t       *testing.T
	dir     string
	bucket  *bucket
	history *job.Tracker
	saved   chan contract.CheckpointSaved
	failed  chan contract.ManifestFailed
	cancel  context.CancelFunc
	done    chan struct{}

	looks  atomic.Int64
	looked chan struct{}
}

const hour = time.Hour

// awaitLooks returns after n more looks at OUTPUT_DIR.
func (r *rig) awaitLooks(n int) {
	r.t.Helper()
	for until := r.looks.Load() + int64(n); r.looks.Load() < until; {
		r.tick()
	}
}

// tick waits for a look.
func (r *rig) tick() {
	r.t.Helper()
	select {
	case <-r.looked:
	case <-time.After(time.Minute):
		r.t.Fatal("OUTPUT_DIR is not looked at any more")
	}
}

// fast makes looks follow each other without making tests wait.
func fast(o *Options) {
	o.Settle = 20 * time.Millisecond
	o.ScanInterval = 50 * time.Millisecond
}

func newRig(t *testing.T, b *bucket, change func(*Options)) *rig {
	t.Helper()
	r := &rig{
		t: t, dir: t.TempDir(), bucket: b, history: historyOf(t, 1),
		saved: make(chan contract.CheckpointSaved, 1000), failed: make(chan contract.ManifestFailed, 1000),
		looked: make(chan struct{}, 1),
	}
	opt := Options{
		Dir: r.dir, JobID: jobID, Store: b, History: r.history, Retention: Retention{Frequency: 1},
		OnEvent: func(kind contract.EventType, _ string, data any) {
			switch kind {
			case contract.EventCheckpointSaved:
				r.saved <- data.(contract.CheckpointSaved)
			case contract.EventCheckpointUploadFailed:
				r.failed <- data.(contract.ManifestFailed)
			}
		},
	}
	fast(&opt)
	if change != nil {
		change(&opt)
	}
	w, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	r.Watcher, r.dir = w, opt.Dir
	w.onLook = func() {
		r.looks.Add(1)
		select {
		case r.looked <- struct{}{}:
		default:
		}
	}
	t.Cleanup(func() { r.finish(FinishOptions{Clean: true}) })
	return r
}

func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.done = cancel, make(chan struct{})
	go func() {
		defer close(r.done)
		_ = r.Run(ctx)
	}()
}

func (r *rig) finish(opt FinishOptions) Summary {
	r.t.Helper()
	s := r.Finish(context.Background(), opt)
	if r.cancel != nil {
		<-r.done
		r.cancel()
	}
	return s
}

func (r *rig) path(rel string) string { return filepath.Join(r.dir, filepath.FromSlash(rel)) }

func (r *rig) heartbeat(epoch int, metrics contract.Metrics) {
	r.t.Helper()
	r.hear(heartbeat(r.t, epoch, metrics))
}

// hear is what the agent does with a message: the history first, then the watch.
func (r *rig) hear(m contract.Message) {
	r.history.Observe(m)
	r.Observe(m)
}

// awaitSaved returns once every name was announced, each as often as it is given.
func (r *rig) awaitSaved(names ...string) map[string]contract.CheckpointSaved {
	r.t.Helper()
	got := map[string]contract.CheckpointSaved{}
	deadline := time.After(2 * time.Minute)
	for len(names) > 0 {
		select {
		case e := <-r.saved:
			_, key, err := contract.ParseURI(e.CheckpointPath)
			if err != nil {
				r.t.Fatal(err)
			}
			name, _ := cutPrefix(key)
			got[name] = e
			if i := slices.Index(names, name); i >= 0 {
				names = slices.Delete(names, i, i+1)
			}
		case <-deadline:
			r.t.Fatalf("waiting for %q; saved so far: %v; the bucket holds %q", names, got, r.bucket.names())
		}
	}
	return got
}

func (r *rig) wantNames(want ...string) {
	r.t.Helper()
	slices.Sort(want)
	if got := r.bucket.names(); !slices.Equal(got, want) {
		r.t.Errorf("the bucket holds %q, want %q", got, want)
	}
}

func makeFIFO(path string) error { return syscall.Mkfifo(path, 0o644) }
