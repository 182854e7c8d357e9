package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
)

// print writes what happened: timeline, final metrics, objects.
func (e *evidence) print(w io.Writer) {
	heading(w, "Callbacks")
	var start time.Time
	for _, c := range e.calls {
		if start.IsZero() {
			start = c.Time
		}
		fmt.Fprintf(w, "  %7.1fs  %-10s  %s\n", c.Time.Sub(start).Seconds(), c.Kind, describe(c))
	}
	heading(w, "Final metrics")
	for _, c := range backend.Accepted(e.calls, contract.KindDone) {
		var done contract.Done
		if c.Decode(&done) == nil {
			for _, name := range slices.Sorted(maps.Keys(done.FinalMetrics)) {
				fmt.Fprintf(w, "  %-24s %s\n", name, number(done.FinalMetrics[name]))
			}
		}
	}
	heading(w, "Bucket "+defaultBucket)
	for _, o := range e.objects {
		fmt.Fprintf(w, "  %10s  %s\n", bytesText(o.Size), o.Key)
	}
}

func heading(w io.Writer, text string) {
	fmt.Fprintf(w, "\n%s\n%s\n", text, strings.Repeat("─", len([]rune(text))))
}

// describe is one callback in a line.
func describe(c backend.Call) string {
	switch {
	case c.Problem != "":
		return fmt.Sprintf("REFUSED with %d: %s", c.Status, c.Problem)
	case c.Duplicate:
		return "a duplicate of " + c.Key
	case c.Fault != "":
		return "fault: " + c.Fault
	}
	switch c.Kind {
	case contract.KindHeartbeat:
		var h contract.Heartbeat
		_ = c.Decode(&h) // it was validated when it came
		return strings.TrimSpace(fmt.Sprintf("epoch %d  %s%%  %s %s", h.Epoch, number(h.Progress), h.Phase, metricsText(h.Metrics)))
	case contract.KindEvent:
		var v contract.Event
		_ = c.Decode(&v)
		return fmt.Sprintf("%s  %s", v.EventType, v.Message)
	case contract.KindValidation:
		var v contract.Validation
		_ = c.Decode(&v)
		best := ""
		if strings.Contains(string(c.Reply), "true") {
			best = "  best so far"
		}
		return fmt.Sprintf("epoch %d  %s %s on %d images%s", v.Epoch, v.PrimaryMetricName, number(v.PrimaryMetricValue), v.NumImagesValidated, best)
	case contract.KindDone:
		var d contract.Done
		_ = c.Decode(&d)
		if d.ErrorMessage != nil {
			return fmt.Sprintf("%s: %s", d.Status, *d.ErrorMessage)
		}
		return string(d.Status)
	}
	return ""
}

// metricsText shows the metrics by name, as many as fit a line.
func metricsText(m contract.Metrics) string {
	const limit = 6
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if len(parts) == limit {
			return strings.Join(parts, " ") + " …"
		}
		parts = append(parts, name+"="+number(m[name]))
	}
	return strings.Join(parts, " ")
}

func number(n contract.Number) string {
	if !n.Finite() {
		return "null"
	}
	return fmt.Sprintf("%.4g", float64(n))
}

// bytesText is a size a person can read, in powers of 1024.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, units := float64(n)/unit, "KMGT"
	for value >= unit && len(units) > 1 {
		value, units = value/unit, units[1:]
	}
	return fmt.Sprintf("%.1f %ciB", value, units[0])
}
