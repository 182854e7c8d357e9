package checkpoints

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Watcher brings up what appears below one OUTPUT_DIR. Run and Finish take turns
// in one loop, so that what it knows of the disk and the bucket has one owner;
// the other methods may be called at any time.
type Watcher struct {
	opt      Options
	uploader *uploader
	settler  settler
	planner  planner
	totals   *totals

	turn      chan struct{} // held by whoever loops
	finish    chan struct{} // closed when Finish begins: Run returns
	finishing sync.Once
	summed    *Summary      // of Finish
	wake      chan struct{} // Observe learnt something
	results   chan result
	workers   context.Context // of uploads
	halt      context.CancelCauseFunc
	manifests context.Context // outlives workers by a moment
	haltAll   context.CancelCauseFunc

	// The loop's own.
	ledger    *ledger
	loaded    bool
	current   []source // what the last look found complete
	wants     []want
	tries     map[string]*try
	busy      map[string]*task
	left      map[string]string // path → why it is not accepted
	dirty     bool              // the manifest is behind the ledger
	writing   bool              // the manifest is on its way
	loading   bool
	obsolete  []string // keys to delete once no manifest names them
	nextScan  time.Time
	notBefore time.Time // of the next look that a hint asks for
	began     bool
	warned    map[string]bool
	onLook    func() // after every look; tests wait for it

	// Seen from outside.
	mu      sync.Mutex
	history history
	state   progress
}

// progress is what Progress and Uploads report.
type progress struct {
	active               []*meter
	doneBytes, doneFiles int64
	failures             int64
	last                 time.Time     // an upload came to its end
	lag                  time.Duration // of that one
	queuedBytes          int64
	queued               int
}

// try is the record of a name that is not up yet.
type try struct {
	failures  int // in a row
	changes   int // uploads given up because the file changed
	notBefore time.Time
	err       error
	partial   map[string]partial
	reported  bool
}

// New makes a Watcher. It touches neither disk nor store; Run or Finish does.
// Whoever calls New must call Finish, which ends every upload under way.
func New(opt Options) (*Watcher, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	manifests, haltAll := context.WithCancelCause(context.Background())
	workers, halt := context.WithCancelCause(manifests)
	w := &Watcher{
		opt:     opt,
		settler: settler{quiet: opt.Settle, looks: map[string]*look{}},
		planner: planner{frequency: opt.Frequency, keep: opt.Keep, owners: map[string]owner{}, before: map[string]string{}},
		totals:  &totals{now: opt.Now},
		turn:    make(chan struct{}, 1), finish: make(chan struct{}), wake: make(chan struct{}, 1),
		results: make(chan result), workers: workers, halt: halt, manifests: manifests, haltAll: haltAll,
		ledger: ledgerOf(contract.Manifest{}), tries: map[string]*try{}, busy: map[string]*task{},
		left: map[string]string{}, warned: map[string]bool{}, onLook: func() {},
		history: history{metric: opt.PrimaryMetric, mode: opt.MetricMode},
	}
	w.uploader = &uploader{store: opt.Store, dir: opt.Dir, scratch: opt.ScratchDir, key: w.key, now: opt.Now}
	return w, nil
}

// key is the object's key of a name below the checkpoint prefix, or of a
// validation result.
func (w *Watcher) key(name string) string {
	if rest, ok := cutResult(name); ok {
		return "validation-results/job-" + w.opt.JobID + "/" + rest
	}
	return contract.CheckpointKey(w.opt.JobID, name)
}

// Observe takes every message that the trainer sends, so that checkpoints get
// the metrics of their epoch.
func (w *Watcher) Observe(m contract.Message) {
	w.mu.Lock()
	learnt := w.history.observe(m)
	w.mu.Unlock()
	if !learnt {
		return
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Progress is the state of all uploads together, for the agent's heartbeat.
func (w *Watcher) Progress() contract.Transfer {
	rate := w.totals.rate()
	w.mu.Lock()
	defer w.mu.Unlock()
	t := contract.Transfer{
		What: "checkpoints", BytesPerSecond: rate, Queued: w.state.queued,
		BytesDone: w.state.doneBytes, BytesTotal: w.state.doneBytes + w.state.queuedBytes,
		FilesDone: w.state.doneFiles, FilesTotal: w.state.doneFiles + int64(w.state.queued+len(w.state.active)),
	}
	for _, m := range w.state.active {
		one := m.transfer()
		t.BytesDone += one.BytesDone
		t.BytesTotal += one.BytesTotal
	}
	return t
}

// Stats are the counters of all uploads since New.
type Stats struct {
	Bytes    int64         // of files that are up
	Failures int64         // uploads that were, or are to be, tried again
	Waiting  int           // files and folders that are complete and not up, those under way included
	Last     time.Time     // the last upload came to its end; zero before the first
	Lag      time.Duration // of that one: from the last writing to the file to its object
}

// Stats are for whoever counts; Progress is for whoever watches.
func (w *Watcher) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.state
	return Stats{Bytes: s.doneBytes, Failures: s.failures, Waiting: s.queued + len(s.active), Last: s.last, Lag: s.lag}
}

// Uploads are the uploads in flight, each under its name, for a bar each.
func (w *Watcher) Uploads() []contract.Transfer {
	w.mu.Lock()
	active := slices.Clone(w.state.active)
	w.mu.Unlock()
	all := make([]contract.Transfer, 0, len(active))
	for _, m := range active {
		all = append(all, m.transfer())
	}
	return all
}

// Run watches until ctx ends or Finish begins. It returns nil: a fault of the
// store is retried and in the end reported by Finish, never by Run.
func (w *Watcher) Run(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
	case <-w.finish:
		return nil
	}
	defer func() { <-w.turn }()
	if w.opt.OutputPrefix != "" { // its files are taken at the end
		select {
		case <-ctx.Done():
		case <-w.finish:
		}
		return nil
	}
	hints := newHints(w.opt)
	defer hints.close()
	w.loop(ctx, hints, nil)
	return nil
}
