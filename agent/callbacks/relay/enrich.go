package relay

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// enricher adds what the agent knows better than the child.
type enricher struct{ opts *Options }

func (r enricher) enrich(kind contract.Kind, d *body) {
	switch kind {
	case contract.KindHeartbeat:
		r.heartbeat(d)
	case contract.KindValidation:
		r.validation(d)
	case contract.KindInferenceProgress:
		if total := d.number("total_images"); d.get("progress_percent") == nil && total > 0 {
			d.set("progress_percent", jsonNumber(100*d.number("processed_images")/total))
		}
		d.clamp("progress_percent")
	case contract.KindExportProgress:
		d.clamp("progress_percent")
	}
}

func (r enricher) heartbeat(d *body) {
	if d.get("progress") == nil && r.opts.Job.Epochs > 0 {
		d.set("progress", jsonNumber(100*d.number("epoch")/float64(r.opts.Job.Epochs)))
	}
	d.clamp("progress")
	if sys := r.opts.System(); sys != nil {
		if raw, err := json.Marshal(sys); err == nil {
			d.set("system", raw)
		}
	}
}

func (r enricher) validation(d *body) {
	if task := contract.TaskType(d.text("task_type")); !slices.Contains(contract.TaskTypes, task) {
		name, _ := json.Marshal(r.opts.Job.Task)
		d.set("task_type", name)
	}
	if d.get("primary_metric_name") == nil {
		name, _ := json.Marshal(r.opts.PrimaryMetric)
		d.set("primary_metric_name", name)
		if d.get("primary_metric_value") == nil {
			d.set("primary_metric_value", jsonNumber(metricOf(d, r.opts.PrimaryMetric)))
		}
	}
	d.fill("primary_metric_value", []byte("null"))
	image := r.opts.Job.ImageResults
	if path := d.text("image_results_path"); image != nil && path != "" && !strings.HasPrefix(path, "s3://") {
		uri, _ := json.Marshal(image(int(d.number("epoch"))))
		d.set("image_results_path", uri)
	}
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

// clamp brings a percentage into its range.
func (d *body) clamp(name string) {
	if p := d.number(name); p < 0 || p > 100 {
		d.set(name, jsonNumber(min(max(p, 0), 100)))
	}
}

func jsonNumber(v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null")
	}
	return strconv.AppendFloat(nil, v, 'g', -1, 64)
}
