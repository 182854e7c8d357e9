package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/blob"
	"github.com/vision-platform/trainer-agent/hub/build"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

const (
	idle  = 2 * time.Second // between two looks for work that this process did not hear of
	renew = submission.Lease / 6
	// goodbye is how long a stopping hub takes to give its task back.
	goodbye = 2 * time.Second
)

// Stages are the work of each state; a state without an entry has none.
type Stages map[submission.State]Stage

// Stage does the work of one state: nil moves the submission on, a *Rejection ends
// it by its author's fault, any other error is the hub's own. It is taken again
// from its beginning after a kill.
type Stage func(context.Context, *Work) error

// publish says whether packages are published at the end of their way.
func (s Stages) publish() bool { return s[submission.Publishing] != nil }

// Rejection is why a package is refused, in one sentence; its findings are in the
// reports.
type Rejection struct{ Reason string }

func (r *Rejection) Error() string { return r.Reason }

// Work is one submission in the hands of a stage.
type Work struct {
	Package contract.Package // Dir is where it is unpacked, once it is
	File    string           // the uploaded bytes; read only
	Dir     string           // for everything that the stages write; removed at the end
	Lock    string           // the file that pins its wheels; outlives a kill
	Receipt json.RawMessage  // what publishing leaves

	source      string // the package, unpacked; none of its code has been near it
	environment *build.Environment
	task        *submission.Task
	records     *submission.Records
	output      *submission.Output
}

// Begin says which step is being taken.
func (w *Work) Begin(ctx context.Context, step string) error {
	return w.task.Begin(ctx, step)
}

// Report keeps what a step found.
func (w *Work) Report(ctx context.Context, step contract.StepReport) error {
	// Where the hub keeps its files is nobody's business.
	private := w.private()
	step.Log = private.Replace(step.Log)
	told := make([]contract.Finding, 0, len(step.Findings))
	for _, f := range step.Findings {
		f.Text, f.Fix = private.Replace(f.Text), private.Replace(f.Fix)
		told = append(told, f)
	}
	step.Findings = told
	return w.task.Report(ctx, step)
}

// private leaves out where the hub keeps its files.
func (w *Work) private() *strings.Replacer {
	hidden := []string{w.Dir, "…"}
	if w.File != "" { // it may be what the hub could not find
		hidden = append(hidden, filepath.Dir(w.File), "…")
	}
	return strings.NewReplacer(append(hidden, filepath.Dir(filepath.Dir(w.Dir)), "…")...) // the data folder
}

// said is why a stage ended, as its author reads it; PostgreSQL keeps no NUL.
func (w *Work) said(why string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(w.private().Replace(why), "\x00", ""), "")
}

// Output takes what the processes of a step write, for those who watch; done ends it.
func (w *Work) Output() (out io.Writer, done func()) {
	return w.output.Of(w.task, w.private())
}

// worker takes one submission after the other.
type worker struct {
	locks    string // a folder
	desk     *submission.Desk
	packages blob.Store
	stages   Stages
	dir      string
	log      *slog.Logger
}

func (h *Hub) worker() *worker {
	return &worker{filepath.Join(h.config.DataDir, "locks"), h.desk, h.packages, h.stages, h.workDir(), h.config.Log}
}

// run works until ctx ends. A database that is away is waited for.
func (w *worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		changed := w.desk.Bell.Changed()
		task, err := w.desk.Queue.Claim(ctx)
		if err != nil && ctx.Err() == nil {
			w.log.Error("looking for work", "error", err)
		}
		if task != nil {
			w.take(ctx, task)
			continue
		}
		select {
		case <-changed:
		case <-time.After(idle):
		case <-ctx.Done():
		}
	}
}

// take carries one submission as far as it goes.
func (w *worker) take(ctx context.Context, task *submission.Task) {
	log := w.log.With("submission", task.ID, "trainer", task.Name, "version", task.Version)
	work := &Work{
		Package: contract.Package{Name: task.Name, Version: task.Version, SHA256: task.SHA256},
		Dir:     filepath.Join(w.dir, task.ID), Lock: filepath.Join(w.locks, fmt.Sprintf("%s-%d.txt", task.ID, task.Attempt)), task: task,
		records: w.desk.Records, output: w.desk.Output,
	}
	defer w.clear(work)
	defer func() {
		if !task.State.Open() {
			_ = os.Remove(work.Lock) // there may be none
		}
	}()
	held, release := context.WithCancelCause(ctx)
	var keeping sync.WaitGroup
	defer keeping.Wait()
	defer release(nil)
	keeping.Go(func() { w.keep(held, task, release) })
	for task.State.Open() {
		from := task.State
		err := w.stage(held, work)
		if err != nil && context.Cause(held) != nil {
			err = context.Cause(held)
		}
		if err = w.settle(ctx, work, err); err != nil {
			log.Warn("the submission was left", "state", from, "error", err)
			return
		}
		log.Info("the submission moved on", "from", from, "to", task.State, "reason", task.Reason)
	}
}

// clear removes what the stages wrote.
func (w *worker) clear(work *Work) {
	if err := remove(work.Dir); err != nil {
		w.log.Error("removing what the stages wrote", "submission", work.task.ID, "error", err)
	}
}

// stage does the work of the state that the task is in.
func (w *worker) stage(ctx context.Context, work *Work) (err error) {
	path, done, err := w.packages.Take(ctx, work.task.SHA256)
	if err != nil {
		return err
	}
	defer done()
	work.File = path
	if err := os.MkdirAll(work.Dir, 0o700); err != nil {
		return err
	}
	stage := w.stages[work.task.State]
	if stage == nil {
		return ctx.Err()
	}
	return stage(ctx, work)
}

// settle writes how a stage ended; an error means that the task is not ours any
// longer, or must be left for later.
func (w *worker) settle(ctx context.Context, work *Work, err error) error {
	if err != nil || !work.task.State.Next(work.task.DryRun).Open() {
		w.clear(work) // first: whoever hears of the end finds nothing left of it
	}
	var rejection *Rejection
	switch {
	case err == nil:
		return work.task.Advance(ctx, work.Receipt)
	case errors.Is(err, submission.ErrLost):
		return err
	case ctx.Err() != nil: // the hub stops
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		return errors.Join(ctx.Err(), work.task.Release(late))
	case errors.As(err, &rejection):
		return work.task.Reject(ctx, work.said(rejection.Reason))
	case errors.Is(err, blob.ErrAway):
		return errors.Join(err, work.task.Postpone(ctx, blob.ErrAway)) // what it answered is the operator's to read
	default:
		return errors.Join(err, work.task.Fault(ctx, errors.New(work.said(err.Error()))))
	}
}

// keep renews the lease, and ends the work as soon as it is lost: a cancelled
// submission stops at once.
func (w *worker) keep(ctx context.Context, task *submission.Task, release context.CancelCauseFunc) {
	for {
		changed := w.desk.Bell.Changed()
		if err := task.Renew(ctx); errors.Is(err, submission.ErrLost) {
			release(err)
			return
		}
		select {
		case <-changed:
		case <-time.After(renew):
		case <-ctx.Done():
			return
		}
	}
}
