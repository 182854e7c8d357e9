package agent

import (
	"encoding/json"
	"maps"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Phases of a job, as heartbeats, metrics and result.json name them.
const (
	phaseStarting  = "starting"
	phaseGathering = "waiting_for_nodes"
	phaseDownload  = "downloading"
	phaseConvert   = "converting"
	phaseWeights   = "weights"
	phaseResume    = "resuming"
	phaseRunning   = "running"
	phaseUploading = "uploading"
	phaseReporting = "reporting"
)

// maxEpochs bounds what is remembered of epochs.
const maxEpochs = 100_000

// progress is what is known of the job while it runs. Everything that speaks of
// the job at a moment (heartbeat, metrics, hang detection, diagnosis) reads it.
type progress struct {
	now     func() time.Time
	entered func(phase string, at time.Time) // may be nil; set before the first phase

	mu       sync.Mutex
	phase    string
	since    time.Time
	seconds  map[string]float64
	transfer *contract.Transfer
	read     int64 // dataset bytes

	percent  float64
	beat     time.Time // when percent was heard
	resumed  int       // completed epochs of earlier runs
	epoch    int
	metrics  map[int]contract.Metrics // by epoch, for the checkpoints
	last     contract.Metrics
	primary  *float64
	metric   string // the primary one's name
	mode     contract.MetricMode
	valued   epochValue // the newest value of the primary metric
	best     epochValue
	nan      []int
	activity time.Time       // of the child: output, callback or checkpoint
	final    json.RawMessage // the child's own final callback
}

// epochValue is the primary metric of an epoch; epoch 0 is none.
type epochValue struct {
	epoch int
	value float64
}

func newProgress(now func() time.Time, metric string, mode contract.MetricMode) *progress {
	return &progress{now: now, metric: metric, mode: mode, phase: phaseStarting, since: now(), seconds: map[string]float64{}, metrics: map[int]contract.Metrics{}}
}

// enter begins a phase and ends the one before.
func (p *progress) enter(phase string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	p.seconds[p.phase] += now.Sub(p.since).Seconds()
	p.phase, p.since, p.transfer = phase, now, nil
	if p.entered != nil {
		p.entered(phase, now)
	}
}

func (p *progress) transferring(t contract.Transfer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.transfer = &t
	if t.What == "dataset" {
		p.read = t.BytesDone
	}
}

// alive notes that the child did something.
func (p *progress) alive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.activity = p.now()
}

// observe takes what the child told the relay.
func (p *progress) observe(m contract.Message) {
	if m.Kind.Final() {
		p.mu.Lock()
		p.final, p.activity = m.Body, p.now()
		p.mu.Unlock()
		return
	}
	switch payload := m.Decoded().(type) {
	case contract.Heartbeat:
		p.heartbeat(payload)
	case contract.Validation:
		p.validation(payload)
	case contract.InferenceProgress:
		p.reached(float64(payload.ProgressPercent))
	case contract.ExportProgress:
		p.reached(float64(payload.ProgressPercent))
	default:
		p.alive()
	}
}

func (p *progress) reached(percent float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.percent, p.activity, p.beat = percent, p.now(), p.now()
}

func (p *progress) heartbeat(h contract.Heartbeat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.activity, p.beat, p.percent = p.now(), p.now(), float64(h.Progress)
	p.epoch = max(p.epoch, h.Epoch)
	p.merge(h.Epoch, h.Metrics)
	if lossBroke(h.Metrics) && len(p.nan) < 1000 {
		p.nan = append(p.nan, h.Epoch)
	}
}

func (p *progress) validation(v contract.Validation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.activity = p.now()
	p.merge(v.Epoch, v.Metrics)
	if v.PrimaryMetricValue.Finite() {
		value := float64(v.PrimaryMetricValue)
		p.primary = &value
		p.value(v.Epoch, value)
	}
}

func (p *progress) merge(epoch int, m contract.Metrics) {
	have := p.metrics[epoch]
	if have == nil {
		if len(p.metrics) >= maxEpochs {
			return
		}
		have = contract.Metrics{}
		p.metrics[epoch] = have
	}
	maps.Copy(have, m)
	p.last = have
	if v, ok := m[p.metric]; ok && v.Finite() {
		p.value(epoch, float64(v))
	}
}

// value notes the primary metric of an epoch.
func (p *progress) value(epoch int, value float64) {
	p.valued = epochValue{epoch, value}
	if p.best.epoch == 0 || p.mode.Better(value, p.best.value) {
		p.best = p.valued
	}
}

// A loss that is NaN or infinite means that the weights are gone.
func lossBroke(m contract.Metrics) bool {
	for name, v := range m {
		if strings.Contains(strings.ToLower(name), "loss") && (math.IsNaN(float64(v)) || math.IsInf(float64(v), 0)) {
			return true
		}
	}
	return false
}

// resumeAt takes over what an earlier run reported.
func (p *progress) resumeAt(epoch int, history []contract.EpochMetrics) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.epoch, p.resumed = epoch, epoch
	for _, h := range history {
		p.merge(h.Epoch, h.Metrics)
	}
}

// at answers which metrics an epoch had.
func (p *progress) at(epoch int) contract.Metrics {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.metrics[epoch])
}

// view is a copy of the progress at one moment.
type view struct {
	phase    string
	since    time.Time // the phase's begin
	seconds  map[string]float64
	transfer *contract.Transfer
	read     int64
	percent  float64
	beat     time.Time
	resumed  int
	epoch    int
	last     contract.Metrics
	primary  *float64
	valued   epochValue
	best     epochValue
	nan      []int
	activity time.Time
	final    json.RawMessage
}

func (p *progress) view() view {
	p.mu.Lock()
	defer p.mu.Unlock()
	seconds := maps.Clone(p.seconds)
	seconds[p.phase] += p.now().Sub(p.since).Seconds()
	return view{
		phase: p.phase, since: p.since, beat: p.beat, resumed: p.resumed, valued: p.valued, best: p.best, seconds: seconds, transfer: p.transfer, read: p.read, percent: p.percent, epoch: p.epoch,
		last: maps.Clone(p.last), primary: p.primary, nan: append([]int(nil), p.nan...), activity: p.activity, final: p.final,
	}
}
