package job

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// maxBroken bounds how many epochs with a broken loss are named.
const maxBroken = 1000

// Tracker is the one history of a job. Everything that speaks of the job while it
// runs or of how it went reads it. Its methods may be called from any goroutine.
type Tracker struct {
	now     func() time.Time
	onPhase []func(name string, at time.Time)

	mu      sync.Mutex
	clock   clock
	moving  moving
	said    said
	history history
	resumed int   // completed epochs of earlier runs
	reached int   // the last completed epoch
	broken  []int // epochs whose loss was NaN or infinite
}

// moving is what is on its way.
type moving struct {
	transfer *contract.Transfer
	read     int64 // dataset bytes
}

// said is what the child said last.
type said struct {
	percent  float64
	at       time.Time // of the percentage
	last     contract.Metrics
	activity time.Time // output, callback or checkpoint
	final    *contract.Message
	start    start
	early    string // why it ends before EPOCHS
}

// TrackerOptions configure a Tracker.
type TrackerOptions struct {
	Now    func() time.Time
	Metric string // the primary one's name
	Mode   contract.MetricMode
}

// NewTracker begins the history of a job, in the phase PhaseStarting.
func NewTracker(o TrackerOptions) *Tracker {
	if o.Mode == "" {
		o.Mode = contract.MetricMax
	}
	return &Tracker{
		now:     o.Now,
		clock:   clock{name: PhaseStarting, since: o.Now(), spent: map[string]float64{}},
		history: history{metric: o.Metric, mode: o.Mode},
	}
}

// OnPhase adds who is told that a phase has begun. It must be quick.
func (t *Tracker) OnPhase(f func(name string, at time.Time)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onPhase = append(t.onPhase, f)
}

// Enter begins a phase and ends the one before.
func (t *Tracker) Enter(phase string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.clock.enter(phase, now)
	t.moving.transfer = nil
	for _, f := range t.onPhase {
		f(phase, now)
	}
}

// Transfer notes how far the phase's download or conversion is.
func (t *Tracker) Transfer(x contract.Transfer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.moving.transfer = &x
	if x.What == "dataset" {
		t.moving.read = x.BytesDone
	}
}

// Alive notes that the child did something.
func (t *Tracker) Alive() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said.activity = t.now()
}

// Observe takes a callback of the child's, or one read from its result files.
func (t *Tracker) Observe(m contract.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.said.activity = now
	if m.Kind.Final() {
		t.said.final = &m
		return
	}
	switch p := m.Decoded().(type) {
	case contract.Heartbeat:
		t.progress(p.Progress, now)
		t.reached = max(t.reached, p.Epoch)
		t.report(p.Epoch, p.Metrics, none, now)
		if lossBroke(p.Metrics) && len(t.broken) < maxBroken {
			t.broken = append(t.broken, p.Epoch)
		}
	case contract.Validation:
		t.report(p.Epoch, withPrimary(p), p.PrimaryMetricValue, now)
	case contract.Event:
		t.said.start.observe(p)
		if p.EventType == earlyStopped {
			t.said.early = shortened(p.Message)
		}
	case contract.InferenceProgress:
		t.progress(p.ProgressPercent, now)
	case contract.ExportProgress:
		t.progress(p.ProgressPercent, now)
	}
}

// withPrimary is a validation's metrics with the primary one among them.
func withPrimary(v contract.Validation) contract.Metrics {
	if v.PrimaryMetricName == "" {
		return v.Metrics
	}
	m := contract.Metrics{}
	maps.Copy(m, v.Metrics)
	m[v.PrimaryMetricName] = v.PrimaryMetricValue
	return m
}

func (t *Tracker) progress(percent contract.Number, now time.Time) {
	if percent.Finite() {
		t.said.percent, t.said.at = float64(percent), now
	}
}

func (t *Tracker) report(number int, m contract.Metrics, own contract.Number, now time.Time) {
	t.history.add(number, m, own, now)
	t.said.last = t.history.metrics(number)
}

// Resume takes over what an earlier run of the job reported.
func (t *Tracker) Resume(completed int, earlier []contract.EpochMetrics) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reached, t.resumed = completed, completed
	for _, e := range earlier {
		t.history.add(e.Epoch, e.Metrics, none, e.Time.Time)
		t.said.last = t.history.metrics(e.Epoch)
	}
}

// Metrics are those of an epoch; nil when none were reported. Do not change them.
func (t *Tracker) Metrics(epoch int) contract.Metrics {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.history.metrics(epoch)
}

// Best is the epoch with the best primary metric, the earliest of equals.
func (t *Tracker) Best() (best Value, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.history.best, t.history.best.Epoch > 0
}

// Judge says whether a validation that is about to be observed makes its epoch the best.
func (t *Tracker) Judge(v contract.Validation) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	value, ok := t.history.primary(withPrimary(v), v.PrimaryMetricValue)
	return ok && t.history.winner(Value{v.Epoch, value})
}

// EpochAt is the completed epoch that a file written at this time belongs to, and
// what is known of that epoch so far. The reports of an epoch (heartbeats and
// validations, at the time when the agent had them: a child's own time stamps may
// be whole seconds or of another zone) span an interval. A file belongs to the
// epoch in whose interval it was written, else to the one whose interval is
// nearest, because a trainer saves and reports one right after the other, in either
// order; of equal distances the later one. ok is false without reports, and for
// what was written before the first epoch was complete.
//
// The answer is final once a report came after at; before, the next report may be
// nearer.
func (t *Tracker) EpochAt(at time.Time) (epoch int, metrics contract.Metrics, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.history.at(at)
	if !ok {
		return 0, nil, false
	}
	return e.number, e.metrics, true
}

// History is what was reported of every epoch, ascending, with the time of its
// first report. Do not change the metrics.
func (t *Tracker) History() []contract.EpochMetrics {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]contract.EpochMetrics, 0, len(t.history.epochs))
	for _, e := range t.history.epochs {
		if e.number > 0 {
			list = append(list, contract.EpochMetrics{Epoch: e.number, Metrics: e.metrics, Time: contract.At(e.first)})
		}
	}
	return list
}

// View is what the Tracker knows at one moment.
type View struct {
	Phase       Phase
	Transfer    *contract.Transfer // of the phase; nil when nothing is on its way
	DatasetRead int64              // bytes
	Percent     float64            // of the child's work, 0 to 100
	PercentAt   time.Time          // when the child said so; zero when it did not
	Resumed     int                // completed epochs of earlier runs
	Epoch       int                // completed epochs
	Last        contract.Metrics   // the newest reported; not to be changed
	Newest      Value              // of the primary metric
	Best        Value
	Activity    time.Time // of the child: output, callback or checkpoint; zero without any
	Broken      []int     // epochs whose loss was NaN or infinite
	Start       []string  // what the child said of its weights and of the settings that it chose
	Early       string    // why the child ends before EPOCHS on purpose, "" when it said nothing of it
}

// View reads everything at once.
func (t *Tracker) View() View {
	t.mu.Lock()
	defer t.mu.Unlock()
	return View{
		Phase: t.clock.read(t.now()), Transfer: t.moving.transfer, DatasetRead: t.moving.read,
		Percent: t.said.percent, PercentAt: t.said.at, Last: t.said.last, Activity: t.said.activity,
		Resumed: t.resumed, Epoch: t.reached, Newest: t.history.newest, Best: t.history.best, Broken: slices.Clone(t.broken), Start: t.said.start.lines(), Early: t.said.early,
	}
}

// Final is the child's own final callback, nil before it.
func (t *Tracker) Final() *contract.Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.said.final
}
