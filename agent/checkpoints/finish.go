package checkpoints

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// FinishOptions say how the trainer ended.
type FinishOptions struct {
	Clean bool // by itself and with status 0; after anything else a file may be torn
}

// Summary is what a job left in the bucket, and what it could not leave there.
type Summary struct {
	Artifacts []contract.Artifact       // checkpoints and outputs, in the order of their names
	Best      string                    // URI of the best checkpoint, empty when there is none
	Last      string                    // URI of the last one
	BestEpoch int                       // 1-based, 0 when it is not known
	LastEpoch int                       //
	Failed    []contract.ManifestFailed // on disk, not in the bucket, each with its reason
	Warnings  []string                  // what was left out on purpose
	failure   *contract.Failure
}

// CheckpointPath is what `done` reports: the best checkpoint, else the last one,
// or nil.
func (s Summary) CheckpointPath() *string {
	uri := cmp.Or(s.Best, s.Last)
	if uri == "" {
		return nil
	}
	return &uri
}

// Failure is why a job whose training succeeded has nothing to show for it: the
// best checkpoint (or output) is on disk and could not be uploaded. It is nil
// when everything that matters is up.
func (s Summary) Failure() *contract.Failure { return s.failure }

// errHalted ends the uploads that are still under way when the budget is spent.
var errHalted = errors.New("the time for the last uploads is over")

// Finish takes a last look once the trainer is gone, waits until everything
// complete is up, uploads the outputs, writes the manifest and ends all work. It
// returns within ctx and FlushTimeout, whichever is shorter, and may be called
// without Run. A second call returns the first one's summary.
func (w *Watcher) Finish(ctx context.Context, opt FinishOptions) Summary {
	w.finishing.Do(func() { close(w.finish) })
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	if w.summed == nil {
		sum := w.flush(ctx, opt)
		w.summed = &sum
	}
	return *w.summed
}

func (w *Watcher) flush(ctx context.Context, opt FinishOptions) Summary {
	ctx, cancel := context.WithTimeout(ctx, w.opt.FlushTimeout)
	defer cancel()
	defer w.drain()
	uploads, done := spare(ctx)
	defer done()
	stop := context.AfterFunc(uploads, func() { w.halt(errHalted) })
	defer stop()

	if w.opt.OutputPrefix != "" {
		return w.finishOutputs(uploads)
	}
	end := &closing{clean: opt.Clean}
	for _, t := range w.tries { // no more waiting for the next try
		t.failures, t.notBefore = 0, time.Time{}
	}
	w.loop(uploads, &hints{}, end)
	sent := w.sendOutputs(uploads, contract.CheckpointPrefix(w.opt.JobID), outputsFolder)
	w.dropStaged()
	w.bookOutputs(sent)
	failed, failure := w.failed(sent)
	w.dirty = w.dirty || len(failed) > 0
	w.ledger.failed = failed
	w.wants, w.current = nil, nil
	w.dropPartial()
	end.manifestOnly = true
	w.loop(ctx, &hints{}, end)
	s := w.summary(sent)
	s.failure = failure
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

// drain ends every worker and takes what it brings back.
func (w *Watcher) drain() {
	w.haltAll(errHalted)
	for len(w.busy) > 0 || w.loading || w.writing {
		w.take(<-w.results, nil)
	}
}

// settled reports whether nothing is left to wait for at the end of a job.
func (w *Watcher) settled() bool {
	if len(w.busy) > 0 || w.loading || w.writing || !w.nextScan.IsZero() {
		return false
	}
	if !w.loaded {
		return w.hopeless(manifestTries)
	}
	for _, want := range w.wants {
		if !w.satisfied(want) && !w.hopeless(want.name) {
			return false
		}
	}
	return !w.dirty || w.hopeless(manifestTries)
}

// hopelessTries is how often a refusal that no waiting mends is tried at the end.
const hopelessTries = 3

// hopeless reports whether a name failed for a reason that will stay, such as a
// forbidden bucket: the last minutes of a job are not spent on it.
func (w *Watcher) hopeless(name string) bool {
	t := w.tries[name]
	if t == nil || t.failures < hopelessTries {
		return false
	}
	failure, ok := errors.AsType[*contract.Failure](t.err)
	return ok && !failure.Retryable
}

// dropStaged takes the epochs away that frequency does not keep, once last and
// best have been copied from them.
func (w *Watcher) dropStaged() {
	for _, want := range w.wants {
		if want.after != "" && !w.satisfied(want) {
			return
		}
	}
	for _, e := range w.ledger.entries {
		if e.staged {
			w.drop(e)
		}
	}
}

// failed lists what is on disk and not in the bucket. The failure is that of the
// file which the job was run for: the best checkpoint, or the last one where
// there is no best.
func (w *Watcher) failed(sent sentOutputs) (failed []contract.ManifestFailed, failure *contract.Failure) {
	failed = slices.Clone(sent.failed)
	hasBest := w.ledger.find(roleBest) != nil
	for _, want := range w.wants {
		if w.satisfied(want) || want.staged {
			continue
		}
		failed = append(failed, contract.ManifestFailed{Name: want.name, Reason: w.cause(want.name).Error()})
		r := roleOfName(want.name)
		if r == roleBest || r == roleLast && !hasBest && failure == nil {
			failure = w.failure(want.name)
		}
	}
	for rel, reason := range w.left {
		failed = append(failed, contract.ManifestFailed{Name: rel, Reason: reason})
	}
	slices.SortFunc(failed, func(a, b contract.ManifestFailed) int { return cmp.Compare(a.Name, b.Name) })
	return failed, failure
}

func (w *Watcher) failure(name string) *contract.Failure {
	cause := w.cause(name)
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
func (w *Watcher) cause(name string) error {
	for _, key := range []string{name, manifestTries} {
		if t := w.tries[key]; t != nil && t.err != nil {
			return t.err
		}
	}
	return errHalted
}

func (w *Watcher) summary(sent sentOutputs) Summary {
	prefix := contract.CheckpointPrefix(w.opt.JobID)
	s := Summary{Failed: w.ledger.failed, Warnings: sent.warnings}
	w.mu.Lock()
	manifest := w.ledger.manifest(w.opt.JobID, &w.history, w.opt.Now())
	w.mu.Unlock()
	s.BestEpoch, s.LastEpoch = manifest.BestEpoch, manifest.LastEpoch
	for _, f := range manifest.Files {
		s.Artifacts = append(s.Artifacts, contract.Artifact{
			Name: f.Name, Path: w.opt.Store.URI(prefix + f.Name), SizeBytes: f.SizeBytes, SHA256: f.SHA256,
		})
	}
	best, last := w.ledger.find(roleBest), w.ledger.find(roleLast)
	if best != nil {
		s.Best = best.uri(w.opt.Store, prefix)
	}
	if last != nil {
		s.Last = last.uri(w.opt.Store, prefix)
	}
	return s
}
