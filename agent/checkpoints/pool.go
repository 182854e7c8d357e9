package checkpoints

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/manifest"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/upload"
	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// Pauses between two tries.
const (
	backoffMin  = time.Second
	backoffMax  = time.Minute
	changesCopy = 2 // a file that moved on this often under its upload is copied first
)

// pool carries checkpoints to their places, a few at a time.
type pool struct {
	uploader *upload.Uploader
	totals   *upload.Totals
	limit    int
	workers  context.Context // of uploads
	halt     context.CancelCauseFunc
	flights  []*flight
	retries  map[string]*retry // by place, until it is up
}

// flight is one upload under way.
type flight struct {
	c      *checkpoint
	place  place
	task   *upload.Task
	cancel context.CancelCauseFunc
}

// abandon gives the upload up, because its file is written to.
func (f *flight) abandon() { f.cancel(upload.ErrChanged) }

// retry is the record of a place that is not up yet.
type retry struct {
	failures  int // in a row
	notBefore time.Time
	err       error
	partial   map[string]upload.Partial
	reported  bool
}

// refused notes one more failure.
func (r *retry) refused(err error, now time.Time) {
	r.failures++
	r.err, r.notBefore = err, retryAt(now, r.failures)
}

// retryAt is exponential with full jitter, so that a thousand jobs do not come back at
// once to a store that was away, but never at once.
func retryAt(now time.Time, failures int) time.Time {
	return now.Add(backoffMin/4 + backoff.Policy{Min: backoffMin, Max: backoffMax}.Delay(failures-1))
}

// hopelessTries is how often a refusal that no waiting mends is tried at the end.
const hopelessTries = 3

// hopeless reports whether it failed for a reason that will stay, such as a forbidden
// bucket: the last minutes of a job are not spent on it.
func (r *retry) hopeless() bool {
	if r == nil || r.failures < hopelessTries {
		return false
	}
	failure, ok := errors.AsType[*contract.Failure](r.err)
	return ok && !failure.Retryable
}

// retry is the record of a place, made when there is none.
func (p *pool) retry(name string) *retry {
	r := p.retries[name]
	if r == nil {
		r = &retry{}
		p.retries[name] = r
	}
	return r
}

// busy reports whether a place is being written.
func (p *pool) busy(name string) bool {
	return slices.ContainsFunc(p.flights, func(f *flight) bool { return f.place.name == name })
}

// may reports whether an upload to a place may start now.
func (p *pool) may(c *checkpoint, to place, l *manifest.Ledger, now time.Time) bool {
	if len(p.flights) >= p.limit || p.busy(to.name) || p.conflicts(c, to, l) {
		return false
	}
	r := p.retries[to.name]
	return r == nil || !now.Before(r.notBefore)
}

// equalBytes is the size from which it pays to wait whether an upload under way
// turns out to have the same content.
const equalBytes = 1 << 20

// conflicts reports whether an upload under way stands in the way: one of the
// same size may be this content already (last and best of one epoch), and one
// that may copy from this name must not see it change.
func (p *pool) conflicts(c *checkpoint, to place, l *manifest.Ledger) bool {
	for _, f := range p.flights {
		if f.task.Source.Size == c.src.Size && c.src.Size >= equalBytes {
			return true
		}
		for _, other := range f.task.Equals {
			if l.Holder(other.Name) == to.name {
				return true
			}
		}
	}
	return false
}

// start sends a checkpoint to a place. done runs in the worker's goroutine.
func (p *pool) start(c *checkpoint, to place, l *manifest.Ledger, done func(f *flight, files []contract.ManifestFile, err error)) {
	t := &upload.Task{
		Name: to.name, Source: c.src, Private: c.changes >= changesCopy,
		Held: map[string]upload.Held{}, Partial: map[string]upload.Partial{},
		Meter: upload.NewMeter(p.totals, to.name, c.src.Size),
	}
	if r := p.retries[to.name]; r != nil {
		maps.Copy(t.Partial, r.partial)
	}
	p.findEquals(t, l)
	ctx, cancel := context.WithCancelCause(p.workers)
	f := &flight{c: c, place: to, task: t, cancel: cancel}
	p.flights = append(p.flights, f)
	c.begin(f)
	crew.Go(func() {
		var files []contract.ManifestFile
		err := stage.Guard(ctx, "uploading "+to.name, func(ctx context.Context) (err error) {
			files, err = p.uploader.Upload(ctx, t)
			return err
		})
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = errors.Join(cause, err)
		}
		cancel(nil)
		done(f, files, err)
	})
}

// findEquals names what the bucket holds of the task's sizes.
func (p *pool) findEquals(t *upload.Task, l *manifest.Ledger) {
	sizes := map[int64]bool{}
	for _, f := range t.Source.Files {
		sizes[f.Version.Size] = true
	}
	for name, e := range l.Entries {
		for _, f := range e.Files {
			if name == t.Name {
				t.Held[f.Name] = upload.Held{Size: f.SizeBytes, SHA: f.SHA256}
			} else if sizes[f.SizeBytes] && !p.busy(name) {
				t.Equals = append(t.Equals, f)
			}
		}
	}
}

// land takes a flight that has ended off the list.
func (p *pool) land(f *flight) {
	p.flights = slices.DeleteFunc(p.flights, func(other *flight) bool { return other == f })
}

// next is when the first pause is over, or the zero time.
func (p *pool) next(now time.Time) (at time.Time) {
	for _, r := range p.retries {
		if r.notBefore.After(now) && (at.IsZero() || r.notBefore.Before(at)) {
			at = r.notBefore
		}
	}
	return at
}

// hurry ends all pauses: the job ends.
func (p *pool) hurry() {
	for _, r := range p.retries {
		r.failures, r.notBefore = 0, time.Time{}
	}
}
