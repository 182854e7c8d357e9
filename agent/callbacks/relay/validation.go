package relay

import (
	"cmp"
	"context"
	"encoding/json"
	"sync"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// maxAnswered bounds the answers that are remembered for late replies.
const maxAnswered = 4096

// verdicts are the relay's own answers, until the backend's are known.
type verdicts struct {
	mu      sync.Mutex
	ours    map[int]bool // epoch → is_best
	strange bool         // a value under another metric's name was logged
	doubted bool         // that the largest loss counts as the best was logged
}

func (v *verdicts) note(epoch int, isBest bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.ours) >= maxAnswered {
		clear(v.ours)
	}
	v.ours[epoch] = isBest
}

func (v *verdicts) of(epoch int) (isBest, answered bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	isBest, answered = v.ours[epoch]
	return isBest, answered
}

// first is true once for each of the flags.
func (v *verdicts) first(said *bool) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	was := *said
	*said = true
	return !was
}

// doubtLoss says once that the largest loss counts as the best.
func (r *Relay) doubtLoss(v contract.Validation) {
	metric := cmp.Or(r.opts.PrimaryMetric, v.PrimaryMetricName)
	if _, ok := job.Primary(v.Metrics, metric); !ok {
		metric = v.PrimaryMetricName // it goes by the child's own
	}
	if r.opts.PrimaryMode != contract.MetricMin && contract.IsLoss(metric) && r.best.first(&r.best.doubted) {
		r.log.Warn("the epoch with the largest loss counts as the best: set PRIMARY_METRIC to a metric that grows, or PRIMARY_METRIC_MODE=min", "metric", shown(metric))
	}
}

// missMetric says once that validations do not carry the job's primary metric.
func (r *Relay) missMetric(v contract.Validation) {
	name := r.opts.PrimaryMetric
	if name == "" || v.PrimaryMetricName == name {
		return
	}
	if _, ok := job.Primary(v.Metrics, name); !ok && r.best.first(&r.best.strange) {
		r.log.Warn("validations do not carry the job's primary metric, the child's own is used for is_best",
			"primary_metric", name, "have", shown(v.PrimaryMetricName))
	}
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

// validation waits a moment for the backend's is_best and answers with its own when it
// does not come. That is noted first, so that Delivered finds it whenever the backend's
// answer arrives.
func (r *Relay) validation(ctx context.Context, msg contract.Message) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.ValidationDeadline)
	defer cancel()
	v := msg.Payload.(contract.Validation)
	r.missMetric(v)
	r.doubtLoss(v)
	isBest := r.opts.Judge(v)
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

// Delivered compares the backend's answer to a validation with the relay's own, and
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
	ours, answered := r.best.of(v.Epoch)
	if answered && ours != theirs {
		r.log.Warn("the backend and the relay disagree on the best epoch",
			"epoch", v.Epoch, "backend_is_best", theirs, "relay_is_best", ours)
	}
}
