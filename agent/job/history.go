package job

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// maxEpochs bounds what is remembered of epochs.
const maxEpochs = 100_000

// Value is the primary metric of an epoch; epoch 0 is none.
type Value struct {
	Epoch int
	Value float64
}

// history is what was reported, by completed epoch. Metrics are never changed in
// place, so they may be handed out.
type history struct {
	metric string // the primary one's name
	mode   contract.MetricMode
	epochs []epoch // ascending
	best   Value   // the earliest of equals
	newest Value   // the last one heard
}

type epoch struct {
	number      int
	metrics     contract.Metrics
	primary     *float64  // the newest value of the primary metric
	first, last time.Time // of its reports
}

func (h *history) index(number int) (int, bool) {
	return slices.BinarySearchFunc(h.epochs, number, func(e epoch, n int) int { return e.number - n })
}

func (h *history) metrics(number int) contract.Metrics {
	if i, ok := h.index(number); ok {
		return h.epochs[i].metrics
	}
	return nil
}

// add takes a report of an epoch. Later reports add metrics, and replace those of
// equal names. own is what the trainer itself calls its primary metric: it counts
// where the job's has no value.
func (h *history) add(number int, m contract.Metrics, own contract.Number, at time.Time) {
	i, known := h.index(number)
	if !known {
		if len(h.epochs) >= maxEpochs {
			return
		}
		h.epochs = slices.Insert(h.epochs, i, epoch{number: number, first: at, last: at})
	}
	e := &h.epochs[i]
	if at.Before(e.first) {
		e.first = at
	}
	if at.After(e.last) {
		e.last = at
	}
	merged := make(contract.Metrics, len(e.metrics)+len(m))
	maps.Copy(merged, e.metrics)
	maps.Copy(merged, m)
	e.metrics = merged
	if value, ok := h.primary(m, own); ok && number > 0 {
		e.primary, h.newest = &value, Value{number, value}
		h.rank(h.newest)
	}
}

// primary is the value that counts in a report.
func (h *history) primary(m contract.Metrics, own contract.Number) (value float64, ok bool) {
	if value, ok = Primary(m, h.metric); ok {
		return value, true
	}
	return float64(own), own.Finite()
}

// winner says whether an epoch will be the best one with this value.
func (h *history) winner(v Value) bool {
	if v.Epoch != h.best.Epoch {
		return h.better(v)
	}
	rest := history{mode: h.mode}
	for _, e := range h.epochs {
		if other := (Value{e.number, 0}); e.primary != nil && e.number != v.Epoch {
			if other.Value = *e.primary; rest.better(other) {
				rest.best = other
			}
		}
	}
	return rest.better(v)
}

// rank finds the best epoch again when the best one's own value has changed.
func (h *history) rank(v Value) {
	if v.Epoch != h.best.Epoch {
		if h.better(v) {
			h.best = v
		}
		return
	}
	h.best = Value{}
	for _, e := range h.epochs {
		if e.primary != nil && h.better(Value{e.number, *e.primary}) {
			h.best = Value{e.number, *e.primary}
		}
	}
}

func (h *history) better(v Value) bool {
	return h.best.Epoch == 0 || h.mode.Better(v.Value, h.best.Value) || v.Value == h.best.Value && v.Epoch < h.best.Epoch
}

// at is the epoch that a file written at t belongs to; see Tracker.EpochAt.
func (h *history) at(t time.Time) (found epoch, ok bool) {
	nearest := time.Duration(math.MaxInt64)
	for _, e := range h.epochs {
		var d time.Duration
		switch {
		case t.Before(e.first):
			d = e.first.Sub(t)
		case t.After(e.last):
			d = t.Sub(e.last)
		}
		if d <= nearest {
			found, nearest = e, d
		}
	}
	return found, found.number > 0
}

// decorated is how frameworks dress a metric: metrics/mAP50-95(B), val_accuracy.
var decorated = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:metrics/|val[/_]|eval[/_])?(.+?)(?:\(B\))?$`)
})

// Primary finds a metric by its name, else by the name that a framework gives it.
func Primary(m contract.Metrics, name string) (float64, bool) {
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

// none is a number that was not reported.
var none = contract.Number(math.NaN())

// lossBroke: a loss that is NaN or infinite means that the weights are gone.
func lossBroke(m contract.Metrics) bool {
	for name, v := range m {
		if strings.Contains(strings.ToLower(name), "loss") && !v.Finite() {
			return true
		}
	}
	return false
}
