package relay

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"os"
	"sync"

	"github.com/vision-platform/trainer-agent/contract"
)

// Best is the best epoch by the primary metric.
type Best struct {
	Epoch int     `json:"epoch"`
	Value float64 `json:"value"`
}

// maxAnswered bounds the answers that are remembered for late replies.
const maxAnswered = 4096

// A record follows the primary metric.
type record struct {
	metric string
	mode   contract.MetricMode
	file   string // where the best epoch is remembered, may be empty
	log    *slog.Logger

	mu       sync.Mutex
	best     *Best
	answered map[int]bool // epoch → is_best by this record
	strange  bool         // a value under another metric's name was logged
}

func newRecord(o Options) *record {
	r := &record{metric: o.PrimaryMetric, mode: o.MetricMode, file: o.StateFile, log: o.Logger, answered: map[int]bool{}}
	if o.Best != nil {
		best := *o.Best
		r.best = &best
	}
	r.load()
	return r
}

// remembered is the state file: the best epoch of a metric.
type remembered struct {
	Metric string `json:"metric"`
	Best
}

// load takes up what an earlier life remembered about the same metric.
func (r *record) load() {
	b, err := os.ReadFile(r.file)
	if err != nil {
		return // there is none
	}
	var was remembered
	if json.Unmarshal(b, &was) == nil && was.Metric == r.metric {
		r.best = &was.Best
	}
}

// save replaces the state file in one step. It is not synced: after a power cut
// the next validation sets the record again.
func (r *record) save() {
	if r.file == "" {
		return
	}
	b, err := json.Marshal(remembered{r.metric, *r.best})
	if err == nil {
		err = os.WriteFile(r.file+".tmp", b, 0o600)
	}
	if err == nil {
		err = os.Rename(r.file+".tmp", r.file)
	}
	if err != nil {
		r.log.Warn("the best epoch could not be remembered", "error", err)
	}
}

// add enters a validation and says whether its epoch is the best.
func (r *record) add(epoch int, value float64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return false
	}
	if r.best != nil && !r.mode.Better(value, r.best.Value) {
		return r.best.Epoch == epoch && r.best.Value == value // the same message again
	}
	r.best = &Best{epoch, value}
	r.save()
	return true
}

// told remembers the record's verdict on an epoch.
func (r *record) told(epoch int, isBest bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.answered) >= maxAnswered {
		clear(r.answered)
	}
	r.answered[epoch] = isBest
}

// value is the primary metric of a validation: under the job's name for it if
// the body has that, else the child's own primary value.
func (r *record) value(d *body) float64 {
	name := d.text("primary_metric_name")
	if r.metric == "" || name == r.metric {
		return d.number("primary_metric_value")
	}
	if v := metricOf(d, r.metric); !math.IsNaN(v) {
		return v
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.strange {
		r.strange = true
		r.log.Warn("validations do not carry the job's primary metric, the child's own is used for is_best",
			"primary_metric", r.metric, "have", shown(name))
	}
	return d.number("primary_metric_value")
}

// metricOf reads one of the body's metrics, NaN when it is absent or null.
func metricOf(d *body, name string) float64 {
	var metrics contract.Metrics
	if json.Unmarshal(d.get("metrics"), &metrics) == nil {
		if v, ok := metrics[name]; ok {
			return float64(v)
		}
	}
	return math.NaN()
}

// verdict reads the backend's is_best; ok is false when it does not say.
func verdict(answer []byte) (isBest, ok bool) {
	var reply struct {
		IsBest *bool `json:"is_best"`
	}
	if json.Unmarshal(answer, &reply) != nil || reply.IsBest == nil {
		return false, false
	}
	return *reply.IsBest, true
}

// validation waits a moment for the backend's is_best and answers from the
// record when it does not come. The record is written first, so that Delivered
// finds it whenever the backend's answer arrives.
func (r *Relay) validation(ctx context.Context, msg contract.Message, d *body) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.ValidationDeadline)
	defer cancel()
	epoch := int(d.number("epoch"))
	isBest := r.best.add(epoch, r.best.value(d))
	r.best.told(epoch, isBest)
	raw, delivered, err := r.opts.Outbox.AppendAndWait(ctx, msg)
	if err != nil {
		return nil, err
	}
	if theirs, ok := verdict(raw); delivered && ok {
		isBest = theirs
	}
	r.observe(msg)
	return contract.ValidationReply{Status: "ok", IsBest: isBest}, nil
}

// Delivered compares the backend's answer to a validation with the record, and
// logs it when they differ. It must be called from the outbox's OnDelivered, for
// answers that come in time and for those that come after an outage.
func (r *Relay) Delivered(msg contract.Message, answer []byte) {
	if msg.Kind != contract.KindValidation {
		return
	}
	theirs, ok := verdict(answer)
	if !ok {
		return
	}
	var v struct {
		Epoch int `json:"epoch"`
	}
	if json.Unmarshal(msg.Body, &v) != nil {
		return
	}
	r.best.mu.Lock()
	ours, told := r.best.answered[v.Epoch]
	r.best.mu.Unlock()
	if told && ours != theirs {
		r.disagree(v.Epoch, theirs, ours)
	}
}

func (r *Relay) disagree(epoch int, backend, relay bool) {
	r.log.Warn("the backend and the relay disagree on the best epoch",
		"epoch", epoch, "backend_is_best", backend, "relay_is_best", relay)
}
