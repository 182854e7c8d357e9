package checkpoints

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// maxHistory bounds how many epochs are remembered with their metrics.
const maxHistory = 10_000

// history is what the trainer reported, by completed epoch.
type history struct {
	metric string
	mode   contract.MetricMode
	epochs []contract.EpochMetrics // ascending
}

// observe takes a heartbeat or a validation; other messages say nothing of an
// epoch. The body has been validated by the relay. It reports whether anything
// new was learnt.
func (h *history) observe(m contract.Message) bool {
	switch payload := m.Decoded().(type) {
	case contract.Heartbeat:
		return h.add(payload.Epoch, payload.Metrics, m.Time)
	case contract.Validation:
		metrics := payload.Metrics
		if payload.PrimaryMetricName != "" {
			metrics = contract.Metrics{}
			for k, n := range payload.Metrics {
				metrics[k] = n
			}
			metrics[payload.PrimaryMetricName] = payload.PrimaryMetricValue
		}
		return h.add(payload.Epoch, metrics, m.Time)
	}
	return false
}

func (h *history) add(epoch int, metrics contract.Metrics, at time.Time) bool {
	if epoch < 1 {
		return false
	}
	i, found := slices.BinarySearchFunc(h.epochs, epoch, func(e contract.EpochMetrics, n int) int { return e.Epoch - n })
	if !found {
		if len(h.epochs) >= maxHistory {
			return false
		}
		h.epochs = slices.Insert(h.epochs, i, contract.EpochMetrics{
			Epoch: epoch, Metrics: contract.Metrics{}, Time: contract.At(at),
		})
	}
	merged := make(contract.Metrics, len(metrics))
	for k, n := range h.epochs[i].Metrics {
		merged[k] = n
	}
	for k, n := range metrics {
		merged[k] = n
	}
	h.epochs[i].Metrics = merged
	return true
}

// restore puts the epochs of an earlier run of the job before what this run reports.
func (h *history) restore(earlier []contract.EpochMetrics) {
	for _, e := range earlier {
		if _, known := h.find(e.Epoch); !known {
			h.add(e.Epoch, e.Metrics, e.Time.Time)
		}
	}
}

func (h *history) find(epoch int) (contract.EpochMetrics, bool) {
	i, found := slices.BinarySearchFunc(h.epochs, epoch, func(e contract.EpochMetrics, n int) int { return e.Epoch - n })
	if !found {
		return contract.EpochMetrics{}, false
	}
	return h.epochs[i], true
}

// metrics returns what is known of an epoch, or nil.
func (h *history) metrics(epoch int) contract.Metrics {
	e, ok := h.find(epoch)
	if !ok || len(e.Metrics) == 0 {
		return nil
	}
	return e.Metrics
}

// best is the epoch with the best primary metric, the earliest of equals, or 0.
func (h *history) best() int {
	best, value := 0, 0.0
	for _, e := range h.epochs {
		v, ok := primary(e.Metrics, h.metric)
		if ok && (best == 0 || h.mode.Better(v, value)) {
			best, value = e.Epoch, v
		}
	}
	return best
}

// newest is the last epoch that was reported, 0 without reports.
func (h *history) newest() int {
	if len(h.epochs) == 0 {
		return 0
	}
	return h.epochs[len(h.epochs)-1].Epoch
}

// nearest is the epoch whose first report is closest in time: a trainer saves
// and reports one right after the other, in either order. 0 without reports.
func (h *history) nearest(at time.Time) int {
	epoch, distance := 0, time.Duration(0)
	for _, e := range h.epochs {
		d := at.Sub(e.Time.Time).Abs()
		if epoch == 0 || d <= distance {
			epoch, distance = e.Epoch, d
		}
	}
	return epoch
}

// decorated is how frameworks dress a metric: metrics/mAP50-95(B), val_accuracy.
var decorated = lazily(`^(?:metrics/|val[/_]|eval[/_])?(.+?)(?:\(B\))?$`)

// primary finds the metric by its name, else by the name that a framework gives it.
func primary(m contract.Metrics, name string) (float64, bool) {
	if v, ok := m[name]; ok && v.Finite() {
		return float64(v), true
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if m[k].Finite() && strings.EqualFold(decorated().ReplaceAllString(k, "$1"), name) {
			return float64(m[k]), true
		}
	}
	return 0, false
}
