package checkpoints

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// FinishOptions say how the trainer ended.
type FinishOptions struct {
	// Clean: by itself, with status 0 or because it was asked to stop; after anything
	// else a file may be torn.
	Clean bool
	Ended time.Time // default now
}

// ErrHalted ends the uploads that are still under way when the budget is spent, or a stop leaves no more time.
var ErrHalted = errors.New("the time for the last uploads is over")

func (w *Watcher) flush(ctx context.Context, opt FinishOptions) Summary {
	ctx, cancel := context.WithTimeout(ctx, w.opt.FlushTimeout)
	defer cancel()
	defer func() {
		w.haltAll(ErrHalted)
		closing{w.loop}.drain()
	}()
	uploads, done := spare(ctx)
	defer done()
	stop := context.AfterFunc(uploads, crew.Guarded(func() { w.loop.pool.halt(ErrHalted) }))
	defer stop()

	if w.opt.OutputPrefix != "" {
		end, done := stage.Outlasting(ctx) // a stop that comes now ends ctx without a word before
		defer done()
		return w.growing.finish(uploads, end)
	}
	if opt.Ended.IsZero() {
		opt.Ended = w.opt.Now()
	}
	l := w.loop
	out, end := newOutputs(l), closing{l}
	end.begin(opt)
	l.run(uploads, nil, w.onLook)
	out.send(uploads, contract.CheckpointPrefix(w.opt.JobID), outputsFolder)
	s := end.close(out)
	l.run(ctx, nil, w.onLook)
	end.describe(&s)
	return s
}

// spare keeps the end of the budget for the manifest: a checkpoint that it does
// not name is not found again.
func spare(ctx context.Context) (context.Context, context.CancelFunc) {
	const most = 3 * time.Second
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(most, time.Until(deadline)/5)))
}

// closing is the loop at the end of a job: it decides what stays behind, and says so.
type closing struct{ *loop }

// begin turns the loop to the end of the job: one look at once, and no more waiting
// for the next try.
func (l closing) begin(opt FinishOptions) {
	l.end = &ending{FinishOptions: opt}
	l.pool.hurry()
	l.keeper.retry.failures, l.keeper.retry.notBefore = 0, time.Time{}
	l.lookout.next = l.opt.Now()
}

// close ends the planning: what is not up now stays behind, and the manifest says so.
func (l closing) close(out *outputs) Summary {
	l.dropStaged()
	l.catchUp()
	for _, e := range out.entries() {
		l.keeper.book(e, nil)
	}
	s := Summary{Seen: true, Warnings: out.warnings}
	s.Failed, s.failure = l.failed(out.failed)
	s.torn = l.torn()
	l.keeper.ledger.Failed = s.Failed
	l.keeper.dirty = l.keeper.dirty || len(s.Failed) > 0
	l.end.planned, l.wants, l.lookout.next = true, nil, time.Time{}
	l.dropPartial()
	return s
}

// drain takes what the workers bring back once they were asked to end.
func (l closing) drain() {
	for len(l.pool.flights) > 0 || l.keeper.loading || l.keeper.writing {
		(<-l.results)()
	}
}

// dropStaged takes the epochs away that frequency does not keep, once last and
// best have been copied from them.
func (l closing) dropStaged() {
	for _, w := range l.wants {
		if w.alias && w.c.src.Folder && !l.keeper.holds(w.c.stamp, w.place) {
			return
		}
	}
	for _, e := range l.keeper.ledger.Entries {
		if e.Staged {
			l.keeper.drop(e)
		}
	}
}

// failed lists what is on disk and not in the bucket. The failure is that of the
// file which the job was run for: the best checkpoint, or the last one where there is
// no best, or any where there is neither.
func (l closing) failed(outputs []contract.ManifestFailed) (failed []contract.ManifestFailed, failure *contract.Failure) {
	failed = slices.Clone(outputs)
	ledger := l.keeper.ledger
	hasBest := ledger.Find(naming.Best) != nil
	hasAny := ledger.HasModel()
	for _, w := range l.wants {
		if l.keeper.holds(w.c.stamp, w.place) || w.staged {
			continue
		}
		failed = append(failed, contract.ManifestFailed{Name: w.name, Reason: l.cause(w.name).Error()})
		r := naming.Of(w.name)
		matters := r == naming.Best || r == naming.Last && !hasBest || !hasAny && w.c.src.Role != naming.Result
		if r == naming.Best || matters && failure == nil {
			failure = l.failure(w.name)
		}
	}
	for _, c := range l.fleet.at {
		if c.incomplete() {
			failed = append(failed, contract.ManifestFailed{Name: c.src.Rel, Reason: c.reason})
		}
	}
	slices.SortFunc(failed, func(a, b contract.ManifestFailed) int { return cmp.Compare(a.Name, b.Name) })
	return failed, failure
}

// torn are the models that stay behind because they are not whole.
func (l closing) torn() (torn []contract.ManifestFailed) {
	for _, c := range l.fleet.sorted() {
		if c.incomplete() && c.src.Role != naming.Result {
			torn = append(torn, contract.ManifestFailed{Name: c.src.Rel, Reason: c.reason})
		}
	}
	return torn
}

func (l closing) failure(name string) *contract.Failure {
	cause := l.cause(name)
	f := contract.Failf(contract.CodeStorageError, "The checkpoint %s could not be uploaded: %w", name, cause).
		WithHint("Run the job again once the bucket can be reached; it goes on from the last checkpoint that is there.")
	if inner, ok := errors.AsType[*contract.Failure](cause); ok {
		f.Type, f.Code, f.Retryable, f.Hint = inner.Type, inner.Code, inner.Retryable, cmp.Or(inner.Hint, f.Hint)
		f.Message = fmt.Sprintf("The checkpoint %s could not be uploaded: %s", name, inner.Message)
	}
	return f
}

// cause is why a name is not up: its own last error, or that of the manifest,
// without which nothing is uploaded.
func (l closing) cause(name string) error {
	if r := l.pool.retries[name]; r != nil && r.err != nil {
		return r.err
	}
	if err := l.keeper.retry.err; err != nil {
		return err
	}
	return ErrHalted
}
