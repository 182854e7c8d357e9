package checkpoints

import (
	"context"
	"sync"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/manifest"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/upload"
	"github.com/vision-platform/trainer-agent/contract"
)

// Watcher brings up what appears below one OUTPUT_DIR. Run and Finish take turns
// in one loop, so that what it knows of the disk and the bucket has one owner;
// the other methods may be called at any time.
type Watcher struct {
	opt    Options
	loop   *loop
	onLook func() // after every look; tests wait for it

	growing *growing // the output of an inference or export job

	turn      chan struct{} // held by the one that loops
	finish    chan struct{} // closed when Finish begins: Run returns
	finishing sync.Once
	summed    *Summary // of Finish
	haltAll   context.CancelCauseFunc
}

// New makes a Watcher. It touches neither disk nor store; Run or Finish does.
// The caller of New must call Finish, which ends every upload under way.
func New(opt Options) (*Watcher, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	manifests, haltAll := context.WithCancelCause(context.Background())
	loop := newLoop(opt, manifests)
	return &Watcher{
		opt: opt, loop: loop, onLook: func() {}, growing: newGrowing(loop),
		turn: make(chan struct{}, 1), finish: make(chan struct{}), haltAll: haltAll,
	}, nil
}

// newLoop puts the parts together. manifests outlives the uploads by a moment.
func newLoop(opt Options, manifests context.Context) *loop {
	totals := upload.NewTotals(opt.Now)
	workers, halt := context.WithCancelCause(manifests)
	return &loop{
		opt:     opt,
		lookout: &lookout{hints: &scan.Hints{}, interval: opt.ScanInterval},
		fleet:   &fleet{at: map[string]*checkpoint{}},
		planner: &planner{frequency: opt.Frequency, keep: opt.Keep, owners: map[string]owner{}},
		pool: &pool{
			uploader: &upload.Uploader{
				Store: opt.Store, Dir: opt.Dir, Scratch: opt.ScratchDir, Now: opt.Now,
				Key: func(name string) string { return key(opt.JobID, name) },
			},
			totals: totals, limit: opt.Concurrency, workers: workers, halt: halt, retries: map[string]*retry{},
		},
		keeper:  &keeper{store: opt.Store, redact: opt.Redact, job: opt.JobID, ctx: manifests, ledger: manifest.LedgerOf(contract.Manifest{}), loaded: opt.Fresh},
		epochs:  &epochs{history: opt.History, began: opt.Now(), total: opt.Epochs, now: opt.Now, news: make(chan struct{}, 1)},
		board:   &board{totals: totals},
		reports: &reports{log: opt.Log, event: opt.OnEvent, warned: map[string]bool{}},
		results: make(chan func()),
	}
}

// Observe takes every message that the trainer sends, behind the History: what was
// reported decides which epoch a checkpoint holds.
func (w *Watcher) Observe(m contract.Message) { w.loop.epochs.observe(m) }

// Progress is the state of all uploads together, for the agent's heartbeat.
func (w *Watcher) Progress() contract.Transfer { return w.loop.board.progress() }

// Stats are for a counter; Progress is for a viewer.
func (w *Watcher) Stats() Stats { return w.loop.board.read() }

// Uploads are the uploads in flight, each under its name, for a bar each.
func (w *Watcher) Uploads() []contract.Transfer { return w.loop.board.each() }

// Run watches until ctx ends or Finish begins. It returns nil: a fault of the
// store is retried and in the end reported by Finish, never by Run.
func (w *Watcher) Run(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
	case <-w.finish:
		return nil
	}
	defer func() { <-w.turn }()
	if w.opt.OutputPrefix != "" {
		w.growing.run(ctx, w.finish)
		return nil
	}
	look := w.loop.lookout
	if !w.opt.ScanOnly {
		if err := look.watch(w.opt.Dir); err != nil {
			w.opt.Log.Warn("no inotify: new checkpoints are found by looking every few seconds", "interval", w.opt.ScanInterval, "error", err)
		}
	}
	defer look.close()
	look.next = w.opt.Now()
	w.loop.run(ctx, w.finish, w.onLook)
	return nil
}

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
