package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/contract"
)

// Bucket keeps small objects.
type Bucket interface {
	Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error)
	Put(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error)
	Delete(ctx context.Context, key string) error
}

const (
	keepEvery  = time.Minute      // a put each costs a cent for a day of training
	keepWithin = 10 * time.Second // a bucket that hangs holds up nothing
	againIn    = 2 * time.Second  // after a put that failed: memory may be filling up
	maxMark    = 64 << 10         // bytes; a mark has some hundred
)

// Remembering keeps the run marker in the bucket too, with how far the run is and how
// full memory was. When the kernel kills a whole container its workspace goes with the
// pod, and this is all that the next pod has of it.
//
// Neither a bucket that does not answer nor a mark that cannot be read is a reason to
// lose a job: the marker in the workspace is there besides.
type Remembering struct {
	Key     string
	Bucket  func() Bucket
	Marking *Marking // without a marker nothing is remembered: prepare has none
	Tracker *Tracker
	Events  *Events
	Wake    chan struct{} // with room for one; Look uses it

	stage.Background
}

// Start reads what an earlier run left and begins to leave this run's. It fails when
// memory has killed the job too often.
func (r *Remembering) Start(ctx context.Context) error {
	if r.Marking.Marker == nil {
		return nil
	}
	earlier := r.Marking.Previous
	if found := r.recall(ctx); found.newerThan(earlier) {
		earlier = found
		r.Marking.Marker.After(found)
		r.Events.Warn(found.Message)
		r.Events.Emit(contract.EventPreviousRunKilled, found.Message, map[string]any{"previous_run": found})
	}
	if err := earlier.hopeless(); err != nil {
		return err
	}
	r.Tracker.OnPhase(func(string, time.Time) { r.Look() })
	r.Run = r.keep
	return r.Background.Start(ctx)
}

// Look has the mark written soon: what it says has changed. It may be called before
// Start, and never waits.
func (r *Remembering) Look() {
	select {
	case r.Wake <- struct{}{}:
	default:
	}
}

// Forget takes the mark out of the bucket: the run has said how it ended.
func (r *Remembering) Forget(ctx context.Context) error {
	if err := r.Stop(ctx); err != nil {
		return fmt.Errorf("ending the run in the bucket: %w", err)
	}
	if r.Marking.Marker == nil {
		return nil
	}
	if err := r.Bucket().Delete(ctx, r.Key); err != nil {
		return fmt.Errorf("ending the run in the bucket: %w", err)
	}
	return nil
}

// recall is the run that left a mark, nil without one.
func (r *Remembering) recall(parent context.Context) *PreviousRun {
	ctx, cancel := context.WithTimeout(parent, keepWithin)
	defer cancel()
	body, _, err := r.Bucket().Get(ctx, r.Key, 0, -1, "")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var b []byte
	if err == nil {
		defer func() { _ = body.Close() }()
		b, err = io.ReadAll(io.LimitReader(body, maxMark))
	}
	if err != nil {
		if parent.Err() == nil {
			r.Events.Warn(fmt.Sprintf("Whether an earlier run of the job was killed is not known: reading %s: %v", r.Key, err))
		}
		return nil
	}
	p := inquest(b, host.Memory{}) // of another machine: its cgroup is none of this one's
	if p.Code == contract.CodeStopped {
		p.Message += " Or it had lost the bucket when it ended."
	}
	return p
}

// newerThan reports whether the bucket knows of a run that the workspace does not.
func (p *PreviousRun) newerThan(local *PreviousRun) bool {
	return p != nil && (local == nil || p.Started.After(local.Started.Time))
}

// keep writes the mark when there is something new to say, and else each minute.
func (r *Remembering) keep(ctx context.Context) {
	next := time.NewTimer(keepEvery)
	defer next.Stop()
	var last []byte
	for ctx.Err() == nil {
		account, _ := r.Marking.Memory()
		pause := keepEvery
		if b := r.Marking.Marker.Now(r.Tracker.View(), account); !bytes.Equal(b, last) {
			if last = b; r.put(ctx, b) != nil {
				last, pause = nil, againIn
			}
		}
		next.Reset(pause)
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		case <-r.Wake:
		}
	}
}

func (r *Remembering) put(ctx context.Context, b []byte) error {
	return stage.Bound(ctx, keepWithin, "keeping the run marker", func(ctx context.Context) error {
		_, err := r.Bucket().Put(ctx, r.Key, bytes.NewReader(b), int64(len(b)), nil)
		return err
	})
}
