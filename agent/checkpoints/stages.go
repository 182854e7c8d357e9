package checkpoints

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// Uploading watches OUTPUT_DIR and brings up what appears there.
type Uploading struct {
	Options func() Options // asked at the start; History and OnEvent are the Uploading's
	Tracker *job.Tracker
	Events  *job.Events
	Bus     *job.Bus

	watcher atomic.Pointer[Watcher]
	stage.Background
}

// Start begins to watch.
func (u *Uploading) Start(ctx context.Context) error {
	o := u.Options()
	o.History = u.Tracker
	o.OnEvent = func(event contract.EventType, message string, data any) {
		u.Tracker.Alive()
		u.Events.Emit(event, message, data)
	}
	watcher, err := New(o)
	if err != nil {
		return err
	}
	u.watcher.Store(watcher)
	u.Bus.Listen(watcher.Observe)
	u.Run = func(ctx context.Context) { _ = watcher.Run(ctx) }
	return u.Background.Start(ctx)
}

// Finish brings up what is left. Without a watch there is nothing.
func (u *Uploading) Finish(ctx context.Context, opt FinishOptions) Summary {
	w := u.watcher.Load()
	if w == nil {
		return Summary{}
	}
	return w.Finish(ctx, opt)
}

// FinishWithin is Finish where the bucket may hang: it returns soon after limit, and
// warns of what it could not wait for.
func (u *Uploading) FinishWithin(ctx context.Context, limit time.Duration, opt FinishOptions) Summary {
	found := make(chan Summary, 1) // what comes too late is not written to
	err := stage.Bound(ctx, limit, "uploading the last checkpoints", func(ctx context.Context) error {
		found <- u.Finish(ctx, opt)
		return nil
	})
	if err != nil {
		u.Events.Warn("Uploading the last checkpoints: " + err.Error() + ".")
	}
	if bug, ok := errors.AsType[*contract.Failure](err); ok { // a job whose uploads had a bug has not succeeded
		return Summary{failure: bug}
	}
	select {
	case s := <-found:
		return s
	default:
		return Summary{}
	}
}

// Rows are the uploads in flight, and all of them together.
func (u *Uploading) Rows() (active []contract.Transfer, all contract.Transfer) {
	if w := u.watcher.Load(); w != nil {
		return w.Uploads(), w.Progress()
	}
	return nil, all
}

// Transfer is the uploads, or else the download of the phase, for the agent's
// heartbeat.
func (u *Uploading) Transfer() *contract.Transfer {
	if _, t := u.Rows(); t.Queued > 0 || t.BytesTotal > t.BytesDone {
		return &t
	}
	return u.Tracker.View().Transfer
}

// Stats are the counters of all uploads; false before anybody watches.
func (u *Uploading) Stats() (Stats, bool) {
	w := u.watcher.Load()
	if w == nil {
		return Stats{}, false
	}
	return w.Stats(), true
}
