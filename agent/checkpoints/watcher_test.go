package checkpoints

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// rig is a watcher on an empty OUTPUT_DIR and a bucket in memory.
type rig struct {
	*Watcher
	t      *testing.T
	dir    string
	bucket *bucket
	saved  chan contract.CheckpointSaved
	failed chan contract.ManifestFailed
	cancel context.CancelFunc
	done   chan struct{}
}

// fast makes looks follow each other without making tests wait.
func fast(o *Options) {
	o.Settle = 20 * time.Millisecond
	o.ScanInterval = 50 * time.Millisecond
}

func newRig(t *testing.T, b *bucket, change func(*Options)) *rig {
	t.Helper()
	r := &rig{
		t: t, dir: t.TempDir(), bucket: b,
		saved: make(chan contract.CheckpointSaved, 1000), failed: make(chan contract.ManifestFailed, 1000),
	}
	opt := Options{
		Dir: r.dir, JobID: job, Store: b, Frequency: 1, PrimaryMetric: "mAP50-95",
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
	now := time.Now()
	m, err := contract.NewMessage(contract.KindHeartbeat, contract.Heartbeat{Epoch: epoch, Metrics: metrics, Timestamp: contract.At(now)}, now)
	if err != nil {
		r.t.Fatal(err)
	}
	r.Observe(m)
}

// awaitSaved returns once every name was announced, each as often as it is given.
func (r *rig) awaitSaved(names ...string) map[string]contract.CheckpointSaved {
	r.t.Helper()
	got := map[string]contract.CheckpointSaved{}
	deadline := time.After(30 * time.Second)
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

func TestUltralyticsRewritesInPlaceAndCountsFromZero(t *testing.T) {
	r := newRig(t, newBucket(), nil)
	r.run()
	for epoch := range 3 {
		body := torchFile(t, 3<<20, byte(epoch), ultralyticsPickle(epoch))
		rewrite(t, r.path("train/weights/last.pt"), body)
		if epoch != 1 {
			rewrite(t, r.path("train/weights/best.pt"), body)
		}
		rewrite(t, r.path("train/weights/epoch"+string(rune('0'+epoch))+".pt"), body)
		r.heartbeat(epoch+1, contract.Metrics{"mAP50-95": contract.Number([]float64{.3, .2, .4}[epoch])})
		saved := r.awaitSaved("last.pt")
		if got := saved["last.pt"].Epoch; got != epoch+1 {
			t.Errorf("last.pt is announced as epoch %d, want %d", got, epoch+1)
		}
	}
	s := r.finish(FinishOptions{Clean: true})
	r.wantNames("best.pt", "epoch-1.pt", "epoch-2.pt", "epoch-3.pt", "last.pt")
	if s.Best != "s3://test/checkpoints/job-j1/best.pt" || s.BestEpoch != 3 || s.LastEpoch != 3 || len(s.Failed) > 0 {
		b, _ := json.Marshal(s)
		t.Errorf("summary %s", b)
	}
}
