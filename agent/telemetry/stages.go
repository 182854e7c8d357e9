package telemetry

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// Recording keeps the log of the child's output. The log of a run that was killed was
// never uploaded: it is continued.
type Recording struct {
	Workspace job.Workspace

	Log *TrainingLog
}

// Start creates the log.
func (r *Recording) Start(context.Context) (err error) {
	_, err = os.Stat(r.Workspace.Private().MarkerFile())
	r.Log, err = CreateTrainingLog(r.Workspace.Private().TrainingLog(), DefaultTrainingLogBytes, err == nil)
	return err
}

// Stop closes it.
func (r *Recording) Stop(context.Context) error {
	if r.Log == nil {
		return nil
	}
	return r.Log.Close()
}

// Bucket is where the log goes when the job has ended.
type Bucket interface {
	Put(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error)
	URI(key string) string
}

// Upload ends the log and puts it into the bucket, within limit. It returns where it
// lies, nil when there was no child or no output.
func (r *Recording) Upload(ctx context.Context, limit time.Duration, bucket Bucket, key string) (*contract.Artifact, error) {
	if r.Log == nil {
		return nil, nil
	}
	kept := make(chan *contract.Artifact, 1)
	err := stage.Bound(ctx, max(limit, time.Second), "uploading the log", func(ctx context.Context) error {
		artifact, err := r.put(ctx, bucket, key)
		kept <- artifact
		return err
	})
	if err != nil {
		return nil, err
	}
	return <-kept, nil
}

func (r *Recording) put(ctx context.Context, bucket Bucket, key string) (*contract.Artifact, error) {
	body, size, err := r.Log.Finish()
	if err != nil || size == 0 {
		return nil, err
	}
	if _, err := bucket.Put(ctx, key, body, size, nil); err != nil {
		return nil, err
	}
	return &contract.Artifact{Name: path.Base(key), Path: bucket.URI(key), SizeBytes: size}, nil
}

// Serving serves metrics and health. It is no reason to lose a job.
type Serving struct {
	Addr string // AGENT_METRICS_ADDR; "" serves nobody
	Read func() Snapshot
	Log  *slog.Logger

	endpoint *Endpoint
}

// Start listens.
func (s *Serving) Start(ctx context.Context) (err error) {
	if s.Addr != "" {
		s.endpoint, err = Serve(ctx, s.Addr, s.Read, s.Log)
	}
	return err
}

// Stop ends it.
func (s *Serving) Stop(context.Context) error {
	if s.endpoint == nil {
		return nil
	}
	return s.endpoint.Close()
}
