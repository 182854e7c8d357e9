package trackers

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// A point is one metric of one epoch.
type point struct {
	name  string
	value float64
	epoch int
	at    time.Time
}

// A tracker holds the run of one job. An error that is a refusal is final, others are
// tried again.
type tracker interface {
	begin(ctx context.Context) error
	log(ctx context.Context, points []point) error
	end(ctx context.Context, status status) error
}

// A refusal is an answer that another try would not change.
type refusal struct{ error }

const (
	maxWaiting = 20_000 // points that wait for a tracker which is away
	maxBatch   = 500    // points of one request; MLflow takes 1000
)

// A feed sends points to a tracker, in order, for as long as it takes.
type feed struct {
	to    tracker
	log   *slog.Logger
	waits backoff.Policy

	mu      sync.Mutex
	waiting []point
	lost    int     // points that nobody will get
	refused bool    // which is said once; giveUp counts the points
	ending  *status // the job's outcome, once there is one
	wake    chan struct{}
	ended   chan struct{} // closed when the outcome is there

	stop context.CancelFunc
	done chan struct{} // closed when nothing is sent any more
}

func newFeed(name string, to tracker, log *slog.Logger) *feed {
	return &feed{to: to, log: log.With("tracker", name), waits: backoff.Policy{Min: time.Second, Max: time.Minute}, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

func (f *feed) start() {
	ctx, cancel := context.WithCancel(context.Background())
	f.stop, f.done = cancel, make(chan struct{})
	crew.Go(func() {
		defer close(f.done)
		f.work(ctx)
	})
}

// add takes points and never waits; the oldest go when there are too many.
func (f *feed) add(points []point) {
	f.mu.Lock()
	f.waiting = append(f.waiting, points...)
	if over := len(f.waiting) - maxWaiting; over > 0 {
		f.waiting, f.lost = append([]point(nil), f.waiting[over:]...), f.lost+over
	}
	f.mu.Unlock()
	f.nudge()
}

// end says how the job ended: what waits is sent, and then the run is closed. The
// returned function waits for it, no longer than the limit from now; a disk that hangs
// hears of no limit and is left behind soon after it.
func (f *feed) end(s status, limit time.Duration) (wait func()) {
	f.mu.Lock()
	if f.ending == nil {
		close(f.ended)
	}
	f.ending = &s
	f.mu.Unlock()
	late, overdue := time.AfterFunc(limit, crew.Guarded(f.stop)), time.NewTimer(limit+stage.Overtime)
	return func() {
		defer late.Stop()
		defer overdue.Stop()
		select {
		case <-f.done:
		case <-overdue.C:
			f.log.Warn("the metrics tracker did not end in its time and was left behind")
		}
	}
}

func (f *feed) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// work sends until the run is closed, the tracker refuses it, or ctx ends.
func (f *feed) work(ctx context.Context) {
	begun, failures, ended := false, 0, f.ended
	for {
		over, err := f.send(ctx, &begun)
		if over {
			if err != nil {
				f.log.Warn("the metrics tracker did not take the end of the run", "error", err)
			}
			break
		}
		if !begun && errors.As(err, new(refusal)) {
			f.log.Warn("the metrics tracker refuses the run: metrics go to the platform only", "error", err)
			f.giveUp()
			return
		}
		wake, pause := f.wake, (<-chan time.Time)(nil)
		if err == nil {
			failures = 0
		} else {
			if failures == 0 {
				f.log.Warn("the metrics tracker does not answer: it is tried again, training goes on", "error", err)
			}
			wake, pause = nil, time.After(f.waits.Ceiling(failures)) // whatever a fast trainer says meanwhile
			failures++
		}
		select {
		case <-wake:
		case <-ended:
			ended = nil
		case <-pause:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	f.giveUp()
}

// giveUp says what was lost.
func (f *feed) giveUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if lost := f.lost + len(f.waiting); lost > 0 {
		f.log.Warn("metrics did not reach the tracker; the platform has them", "values", lost)
	}
	f.waiting, f.lost = nil, 0
}

// send brings the tracker up to date; over says that the run is closed.
func (f *feed) send(ctx context.Context, begun *bool) (over bool, err error) {
	if !*begun {
		if err := f.to.begin(ctx); err != nil {
			return false, err
		}
		*begun = true
	}
	for {
		f.mu.Lock()
		batch, ending := f.waiting[:min(len(f.waiting), maxBatch)], f.ending
		f.mu.Unlock()
		if len(batch) == 0 {
			if ending == nil {
				return false, nil
			}
			err := f.to.end(ctx, *ending)
			return err == nil || errors.As(err, new(refusal)), err
		}
		err := f.to.log(ctx, batch)
		if err != nil && !errors.As(err, new(refusal)) {
			return false, err
		}
		f.sent(batch, err)
	}
}

// sent takes a batch out of what waits; it may have lost its oldest meanwhile.
func (f *feed) sent(batch []point, refused error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = f.waiting[min(len(batch), len(f.waiting)):]
	if refused != nil {
		f.lost += len(batch)
		if !f.refused {
			f.log.Warn("the metrics tracker refuses metrics", "error", refused, "values", len(batch))
		}
		f.refused = true
	}
}
