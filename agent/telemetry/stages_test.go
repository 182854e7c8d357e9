package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

func recordingIn(t *testing.T) *Recording {
	t.Helper()
	ws := job.Workspace{Root: t.TempDir()}
	if err := ws.Open(); err != nil {
		t.Fatal(err)
	}
	return &Recording{Workspace: ws}
}

func record(t *testing.T, r *Recording, line string) {
	t.Helper()
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(r.Log, line); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyTheLogOfARunThatWasKilledIsContinued(t *testing.T) {
	r := recordingIn(t)
	if err := r.Stop(t.Context()); err != nil {
		t.Errorf("before its start: %v", err)
	}
	record(t, r, "first\n")
	record(t, r, "second\n")
	if err := os.WriteFile(r.Workspace.Private().MarkerFile(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	record(t, r, "third\n")
	if got, err := os.ReadFile(r.Workspace.Private().TrainingLog()); err != nil || string(got) != "second\nthird\n" {
		t.Errorf("%q %v", got, err)
	}
}

// bucketOf is a bucket of one object, or one that takes nothing.
type bucketOf struct {
	body   string
	broken error
}

func (b *bucketOf) Put(_ context.Context, _ string, body io.ReaderAt, size int64, _ func() error) (contract.ObjectInfo, error) {
	if b.broken != nil {
		return contract.ObjectInfo{}, b.broken
	}
	text, err := io.ReadAll(io.NewSectionReader(body, 0, size))
	b.body = string(text)
	return contract.ObjectInfo{}, err
}

func (b *bucketOf) URI(key string) string { return "s3://b/" + key }

func TestTheLogIsUploadedUnlessItIsEmpty(t *testing.T) {
	r, bucket := recordingIn(t), &bucketOf{}
	upload := func() (*contract.Artifact, error) {
		return r.Upload(t.Context(), time.Minute, bucket, "jobs/j/training.log")
	}
	if artifact, err := upload(); artifact != nil || err != nil {
		t.Errorf("without a child: %+v, %v", artifact, err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if artifact, err := upload(); artifact != nil || err != nil {
		t.Errorf("an empty log: %+v, %v", artifact, err)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(r.Log, "epoch 1\n"); err != nil {
		t.Fatal(err)
	}
	want := contract.Artifact{Name: "training.log", Path: "s3://b/jobs/j/training.log", SizeBytes: 8}
	if artifact, err := upload(); err != nil || artifact == nil || *artifact != want || bucket.body != "epoch 1\n" {
		t.Errorf("%+v of %q, %v", artifact, bucket.body, err)
	}
	bucket.broken = errors.New("the bucket is gone")
	if artifact, err := upload(); artifact != nil || !errors.Is(err, bucket.broken) {
		t.Errorf("%+v, error %v", artifact, err)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// Where the child is the same user it may put a pipe in the place of the log, which
// would hold whoever opens it, in this run or the next.
func TestAPipeInThePlaceOfTheLogHoldsNobody(t *testing.T) {
	r := recordingIn(t)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(r.Log, "epoch 1\n"); err != nil {
		t.Fatal(err)
	}
	path := r.Workspace.Private().TrainingLog()
	if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	bucket := &bucketOf{}
	if _, err := r.Upload(t.Context(), time.Minute, bucket, "log"); err != nil || bucket.body != "epoch 1\n" {
		t.Errorf("%q, %v", bucket.body, err)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	record(t, r, "the next run\n")
	if got, err := os.ReadFile(path); err != nil || string(got) != "the next run\n" {
		t.Errorf("%q %v", got, err)
	}
}

func TestMetricsAreServedFromStartToStopWhereTheyAreAskedFor(t *testing.T) {
	off := &Serving{Log: slog.New(slog.DiscardHandler)}
	if err := errors.Join(off.Start(t.Context()), off.Stop(t.Context())); err != nil {
		t.Error(err)
	}
	s := &Serving{Addr: "127.0.0.1:0", Read: func() Snapshot { return Snapshot{} }, Log: slog.New(slog.DiscardHandler)}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	addr := s.endpoint.Addr()
	if err := Healthy(t.Context(), addr); err != nil {
		t.Error(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := Healthy(ctx, addr); err == nil {
		t.Error("it is served after Stop")
	}
}

func TestASnapshotLeavesOutWhatNobodyKnows(t *testing.T) {
	now := func() time.Time { return time.Unix(1000, 0) }
	known := false
	sources := Sources{
		JobType: contract.JobTraining, Framework: "ultralytics", Epochs: 10, PrimaryMetric: "acc",
		Tracker: job.NewTracker(job.TrackerOptions{Now: now, Metric: "acc"}), Store: func() (int64, int64, int64) { return 7, 9, 0 }, System: func() *contract.System { return nil },
		Checkpoints: func() (Checkpoints, bool) { return Checkpoints{Bytes: 5}, known },
		Callbacks:   func() (Callbacks, bool) { return Callbacks{Waiting: 2}, true },
		Usage:       func() (time.Duration, int64, bool) { return 3 * time.Second, 4, known },
	}
	s := sources.Read()
	if s.Ready || s.Checkpoints != nil || s.Child.CPUSeconds != nil || s.Training.Progress != nil || s.Training.PrimaryValue != nil || s.Store != (Store{Retries: 7, SentBytes: 9}) || s.Callbacks.Waiting != 2 {
		t.Errorf("at the beginning: %+v", s)
	}
	known = true
	sources.Tracker.Enter(job.PhaseRunning)
	sources.Tracker.Observe(contract.Message{Kind: contract.KindHeartbeat, Body: []byte(`{"epoch":3,"total_epochs":10,"progress":30,"metrics":{"acc":0.5}}`)})
	s = sources.Read()
	if !s.Ready || s.Training.Epoch != 3 || s.Training.Progress == nil || *s.Training.Progress != 0.3 || s.Checkpoints.Bytes != 5 || *s.Child.CPUSeconds != 3 || *s.Child.RSSBytes != 4 {
		t.Errorf("under way: %+v", s)
	}
}
