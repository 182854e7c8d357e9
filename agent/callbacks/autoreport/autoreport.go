package autoreport

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Times of the search for result files.
const (
	Every = 2 * time.Second  // between two looks at known files
	Grace = 10 * time.Second // for the child to report an epoch itself, when it is silent as a rule

	searchEvery = 5 // looks between two searches of the folder
)

// Options configures a Reporter. Dir and Emit are required.
type Options struct {
	Dir    string                         // OUTPUT_DIR
	Emit   func([]contract.Message) error // accepts heartbeats, all or none: the outbox
	Epochs int                            // of the job: later rows are not its own; 0 when unknown

	After int // epochs up to this one were reported: where the job resumes

	// StateFile remembers what was reported across restarts of the agent. Where
	// it is not there the run begins, and everything that is in Dir was reported
	// before. Empty remembers nothing.
	StateFile string
	System    func() *contract.System // added to the heartbeats; nil adds nothing

	Every, Grace time.Duration // 0 means the constants
	Now          func() time.Time
	Logger       *slog.Logger
}

// Reporter follows the result files of one run.
type Reporter struct {
	opts Options

	mu      sync.Mutex
	sources map[string]*source // by path
	looks   int
	due     line
	state   state
	earlier map[string]int // groups that were there before the run: their last epoch
}

// New makes a Reporter. Result files that are there already when the run begins
// tell of an earlier one, and are taken note of.
func New(opts Options) (*Reporter, error) {
	if opts.Dir == "" || opts.Emit == nil {
		return nil, errors.New("autoreport: Options.Dir and Options.Emit are required")
	}
	opts.Every, opts.Grace = cmp.Or(opts.Every, Every), cmp.Or(opts.Grace, Grace)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Reporter{opts: opts, sources: map[string]*source{}, earlier: map[string]int{}}
	var known bool
	if r.state, known = loadState(opts.StateFile); !known {
		r.baseline()
	}
	return r, nil
}

// baseline marks the epochs that are there as reported.
func (r *Reporter) baseline() {
	r.search()
	for _, s := range r.sources {
		rows, _, _ := s.read(r.opts.Dir) // an unreadable one has nothing to skip
		if len(rows) > 0 {
			r.state.report(s.group, rows[len(rows)-1].epoch)
			r.earlier[s.group] = r.state.Reported[s.group]
		}
	}
	r.save()
}

func (r *Reporter) save() {
	if err := r.state.save(r.opts.StateFile); err != nil {
		r.opts.Logger.Warn("the reported epochs could not be remembered", "error", err)
	}
}

// Observe takes note of the child's messages: its first heartbeat silences the
// reporter for the rest of the run. It must not be told of the reporter's own.
func (r *Reporter) Observe(msg contract.Message) {
	if msg.Kind != contract.KindHeartbeat {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.state.Speaks {
		r.state.Speaks, r.due = true, line{}
		r.save()
		r.opts.Logger.Info("the trainer reports its epochs itself, result files are not read")
	}
}

// Run looks again and again until ctx ends or the child reports itself.
func (r *Reporter) Run(ctx context.Context) error {
	ticker := time.NewTicker(r.opts.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			if r.look(ctx, false) {
				return nil
			}
		}
	}
}

// Finish reports what is left at once: the child has ended and cannot report it.
// What ctx's end keeps from being read is not reported.
func (r *Reporter) Finish(ctx context.Context) {
	r.mu.Lock()
	r.looks = 0
	r.mu.Unlock()
	r.look(ctx, true)
}

// look reads what has grown and emits what is due; ended says that the child can
// speak no more. It reports whether the child speaks for itself.
func (r *Reporter) look(ctx context.Context, ended bool) (speaks bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Speaks {
		return true
	}
	if r.looks%searchEvery == 0 {
		r.search()
	}
	r.looks++
	for _, path := range sorted(r.sources) {
		if ctx.Err() != nil {
			return false
		}
		r.collect(r.sources[path])
	}
	return r.emit(ended)
}

func sorted(sources map[string]*source) []string {
	paths := make([]string, 0, len(sources))
	for p := range sources {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

func (r *Reporter) search() {
	for _, s := range find(r.opts.Dir) {
		if r.sources[s.path] == nil && len(r.sources) < maxSources {
			r.sources[s.path] = s
		}
	}
}

// collect puts a file's new epochs in line. The first run that shows a new epoch
// is the job's; a second results.csv (a validation, a second training in one
// script) would report its epochs over again.
func (r *Reporter) collect(s *source) {
	if r.state.Group != "" && s.group != r.state.Group {
		return
	}
	rows, changed, err := s.read(r.opts.Dir)
	if err != nil && !s.skipped {
		s.skipped = true
		r.opts.Logger.Warn("a result file cannot be read", "file", s.path, "error", err)
	}
	if !changed {
		return
	}
	if was, ok := r.earlier[s.group]; ok && (len(rows) == 0 || rows[len(rows)-1].epoch < was) {
		delete(r.earlier, s.group) // begun again, by this run
		delete(r.state.Reported, s.group)
	}
	after := max(r.state.Reported[s.group], r.opts.After)
	for _, row := range rows {
		if row.epoch > r.last() {
			r.beyond(s, row.epoch)
			break
		}
		if row.epoch > after && r.due.add(pending{row, s.group, r.opts.Now()}) {
			r.state.Group = s.group
		}
	}
}

// last is the last epoch that the job can have.
func (r *Reporter) last() int {
	if r.opts.Epochs > 0 {
		return r.opts.Epochs
	}
	return maxRows
}

// beyond says once for a file that it counts further than the job does.
func (r *Reporter) beyond(s *source, epoch int) {
	if s.beyond {
		return
	}
	s.beyond = true
	r.opts.Logger.Warn("a result file has more epochs than the job, the rest is not reported", "file", s.path, "epoch", epoch, "epochs", r.last())
}

// ripe takes what may be reported from the front of the line (the law).
func (r *Reporter) ripe(ended bool) []pending {
	silent := r.state.Silent
	return r.due.take(func(p pending, followed bool) bool {
		if ended {
			return true
		}
		ok := (followed || silent) && r.opts.Now().Sub(p.seen) >= r.opts.Grace
		silent = silent || ok // a child that let this epoch pass
		return ok
	})
}

// emit reports what is ripe, all of it in one call and with one note of it on disk.
func (r *Reporter) emit(ended bool) (speaks bool) {
	batch := r.ripe(ended)
	if len(batch) == 0 {
		return r.state.Speaks
	}
	if err := r.emitAll(batch); err != nil {
		r.opts.Logger.Warn("epochs of a result file could not be reported yet", "epoch", batch[0].row.epoch, "epochs", len(batch), "error", err)
		if !r.state.Speaks {
			r.due.putBack(batch)
		}
		return r.state.Speaks
	}
	for _, p := range batch {
		r.state.report(p.group, p.row.epoch)
	}
	r.state.Silent = true
	r.save()
	return r.state.Speaks
}

// emitAll calls Emit without the lock, since it may lead back to Observe.
func (r *Reporter) emitAll(batch []pending) error {
	system := func() *contract.System { return nil }
	if r.opts.System != nil {
		now := r.opts.System() // one look at the machine for all
		system = func() *contract.System { return now }
	}
	msgs := make([]contract.Message, 0, len(batch))
	for _, p := range batch {
		msg, err := r.heartbeat(p, system())
		if err != nil {
			return err
		}
		msgs = append(msgs, msg)
	}
	r.mu.Unlock()
	defer r.mu.Lock()
	return r.opts.Emit(msgs)
}

func (r *Reporter) heartbeat(p pending, system *contract.System) (contract.Message, error) {
	beat := contract.Heartbeat{Epoch: p.row.epoch, Metrics: p.row.metrics, Timestamp: contract.At(p.seen)}
	if r.opts.Epochs > 0 {
		beat.Progress = contract.Number(min(100, 100*float64(p.row.epoch)/float64(r.opts.Epochs)))
	}
	beat.System = system
	return contract.NewMessage(contract.KindHeartbeat, beat, p.seen)
}
