package relay

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"os"
	"sync"

	"github.com/vision-platform/trainer-agent/agent/internal/atomicfile"
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

func newRecord(m Metric, log *slog.Logger) *record {
	r := &record{metric: m.Name, mode: m.Mode, file: m.StateFile, log: log, answered: map[int]bool{}}
	if m.Best != nil {
		best := *m.Best
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

// save replaces the state file in one step.
func (r *record) save() {
	if r.file == "" {
		return
	}
	b, err := json.Marshal(remembered{r.metric, *r.best})
	if err == nil {
		err = atomicfile.Write(r.file, b, 0o600)
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

// note remembers the record's verdict on an epoch.
func (r *record) note(epoch int, isBest bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.answered) >= maxAnswered {
		clear(r.answered)
	}
	r.answered[epoch] = isBest
}

// value is the primary metric of a validation: under the job's name for it if
// the child has that, else the child's own primary value.
func (r *record) value(v contract.Validation) float64 {
	if r.metric == "" || v.PrimaryMetricName == r.metric {
		return float64(v.PrimaryMetricValue)
	}
	if value, ok := v.Metrics[r.metric]; ok && value.Finite() {
		return float64(value)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.strange {
		r.strange = true
		r.log.Warn("validations do not carry the job's primary metric, the child's own is used for is_best",
			"primary_metric", r.metric, "have", shown(v.PrimaryMetricName))
	}
	return float64(v.PrimaryMetricValue)
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
func (r *Relay) validation(ctx context.Context, msg contract.Message) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.ValidationDeadline)
	defer cancel()
	v := msg.Payload.(contract.Validation)
	isBest := r.best.add(v.Epoch, r.best.value(v))
	r.best.note(v.Epoch, isBest)
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
	theirs, said := verdict(answer)
	v, read := msg.Decoded().(contract.Validation)
	if !said || !read {
		return
	}
	r.best.mu.Lock()
	ours, answered := r.best.answered[v.Epoch]
	r.best.mu.Unlock()
	if answered && ours != theirs {
		r.log.Warn("the backend and the relay disagree on the best epoch",
			"epoch", v.Epoch, "backend_is_best", theirs, "relay_is_best", ours)
	}
}
