package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/vision-platform/trainer-agent/agent/job"
)

// Recording keeps the log of the child's output. The log of a run that was killed was
// never uploaded: it is continued.
type Recording struct {
	Workspace job.Workspace

	Log *TrainingLog
}

// Start creates the log.
func (r *Recording) Start(context.Context) (err error) {
	_, err = os.Stat(r.Workspace.MarkerFile())
	r.Log, err = CreateTrainingLog(r.Workspace.TrainingLog(), DefaultTrainingLogBytes, err == nil)
	return err
}

// Stop closes it.
func (r *Recording) Stop(context.Context) error {
	if r.Log == nil {
		return nil
	}
	return r.Log.Close()
}

// Upload closes the log and hands it to put. It returns the log's size, 0 when there
// was no child or no output.
func (r *Recording) Upload(put func(body io.ReaderAt, size int64) error) (int64, error) {
	if err := r.Log.Close(); err != nil {
		return 0, err
	}
	file, err := os.Open(r.Log.Path())
	if err != nil {
		return 0, fmt.Errorf("uploading the training log: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return 0, err
	}
	return info.Size(), put(file, info.Size())
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
