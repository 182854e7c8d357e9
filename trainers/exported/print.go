package exported

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/vision-platform/trainer-agent/agent/ui"
)

// shownClasses is how many class names a terminal gets.
const shownClasses = 12

// Print tells a person what was found. What a stranger's metadata say never steers the terminal, and stays in its own row.
func (f *Found) Print(w io.Writer) {
	if f.Metadata == nil {
		fmt.Fprintf(w, "%s: ONNX model without metadata of an export\n", f.Path)
	} else {
		m := f.Metadata.Model
		fmt.Fprintln(w, ui.Clean(fmt.Sprintf("%s: %s of %s (%s), %s in %s, %d classes", f.Path, f.Kind, orUnknown(m.Name), orUnknown(m.Framework), orUnknown(m.Task), m.Format, len(f.Metadata.Classes))))
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, values ...any) {
		fmt.Fprintf(table, "  %s\t%s\n", name, ui.Clean(fmt.Sprintf(format, values...)))
	}
	if f.Metadata != nil {
		f.Metadata.rows(row, f.Checksum)
	}
	if f.ONNX != nil {
		row("onnx", "opset %d, IR %d, made by %s", f.ONNX.Opset, f.ONNX.IRVersion, orUnknown(f.ONNX.Producer))
		for _, v := range f.ONNX.Inputs {
			row("graph input", "%s %s [%s]", v.Name, v.DType, strings.Join(v.Shape, " "))
		}
		for _, v := range f.ONNX.Outputs {
			row("graph output", "%s %s [%s]", v.Name, v.DType, strings.Join(v.Shape, " "))
		}
	}
	for _, difference := range f.Differences {
		row("differs", "%s", difference)
	}
	if len(f.Contents) > 0 {
		row("contents", "%s", strings.Join(summary(f.Contents), ", "))
	}
	_ = table.Flush()
}

func (m *Metadata) rows(row func(string, string, ...any), checksum string) {
	size := "" // metadata inside a model cannot know it
	if m.Model.SizeBytes > 0 {
		size = fmt.Sprintf("%.1f MB, ", float64(m.Model.SizeBytes)/(1<<20))
	}
	row("file", "%s, %s%s, sha256 %s", m.Model.File, size, orUnknown(m.Model.Precision), checksum)
	how := fmt.Sprintf("%s to %d x %d, %s", m.Preprocess.Resize.Mode, m.Preprocess.Resize.Width, m.Preprocess.Resize.Height, m.Preprocess.Resize.Kernel)
	row("input", "%s %s %s %v %s; %s: %s", m.Input.Name, m.Input.Layout, m.Input.DType, m.Input.Shape, m.Input.Color, how, m.prepared())
	for _, output := range m.Outputs {
		row("output", "%s (%s) %s %v", output.Name, output.Kind, output.DType, output.Shape)
	}
	if p := m.Postprocess; p.Confidence != nil {
		row("detections", "confidence over %g%s, boxes in pixels of the %s: %s", *p.Confidence, overlap(p), p.BoxSpace, done(p.Included))
	}
	row("classes", "%s", classNames(m.Classes))
	for _, part := range []struct {
		name  string
		facts keyed
	}{{"parity", m.measured()}, {"validation", m.Validation}, {"timing", m.Timing}} {
		if len(part.facts) > 0 {
			row(part.name, "%s", part.facts)
		}
	}
	if note := m.unproven(); note != "" {
		row("not proven", "%s", note)
	}
	p := m.Provenance
	row("provenance", "job %s, checkpoint %s, made %s, checked by %s", orUnknown(p.JobID), orUnknown(p.CheckpointSHA256), orUnknown(p.CreatedAt), orUnknown(strings.Join(p.VerifiedBy, ", ")))
}

// objects are the tasks whose answers are boxes.
var objects = []string{"detect", "segment", "pose", "obb"}

// comparedNothing: metadata without a note have 0 where no object was compared.
func (m *Metadata) comparedNothing() bool {
	_, noted := m.Parity["note"]
	return !noted && slices.Contains(objects, m.Model.Task) && m.Parity["objects"] == 0.0
}

// measured is the parity without the numbers that stand for nothing.
func (m *Metadata) measured() keyed {
	numbers := keyed{}
	for name, value := range m.Parity {
		nothing := m.comparedNothing() && (name == "pixels" || name == "score" || name == "probability")
		if value != nil && name != "note" && !nothing {
			numbers[name] = value
		}
	}
	return numbers
}

// unproven says what the parity does not show.
func (m *Metadata) unproven() string {
	if m.comparedNothing() {
		return "no object was found by both models: nothing is proven about boxes"
	}
	note, _ := m.Parity["note"].(string)
	return note
}

// prepared says who resizes and who scales: a model may do the second alone.
func (m *Metadata) prepared() string {
	sides := m.Input.Shape[:min(2, len(m.Input.Shape))]
	if m.Input.Layout == "NHWC" && len(m.Input.Shape) > 3 {
		sides = m.Input.Shape[1:3]
	}
	switch {
	case !m.Preprocess.Included:
		return "done by the caller"
	case slices.Contains(sides, -1):
		return "done by the model"
	}
	return "resized by the caller, scaled by the model"
}

func done(included bool) string {
	if included {
		return "done by the model"
	}
	return "done by the caller"
}

func overlap(p Postprocess) string {
	if p.Overlap == nil {
		return ""
	}
	return fmt.Sprintf(", suppressed over IoU %g", *p.Overlap)
}

func classNames(classes []Class) string {
	var names []string
	for i, c := range classes {
		if i == shownClasses {
			names = append(names, fmt.Sprintf("and %d more", len(classes)-i))
			break
		}
		names = append(names, fmt.Sprintf("%d %s", c.Index, c.Name))
	}
	return strings.Join(names, ", ")
}

// String prints keys in order.
func (k keyed) String() string {
	parts := make([]string, 0, len(k))
	for _, key := range slices.Sorted(maps.Keys(k)) {
		value, _ := json.Marshal(k[key]) // it was JSON
		if number, ok := k[key].(float64); ok {
			value = fmt.Appendf(nil, "%.4g", number)
		}
		parts = append(parts, key+" "+string(value))
	}
	return strings.Join(parts, ", ")
}

// summary names files at the top, and folders with the number of their files.
func summary(names []string) []string {
	counts := map[string]int{}
	for _, name := range names {
		parts := strings.Split(name, "/")
		counts[strings.Join(parts[:min(len(parts)-1, 2)], "/")]++
	}
	var out []string
	for _, name := range names {
		if !strings.Contains(name, "/") {
			out = append(out, name)
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(counts)) {
		if folder != "" {
			out = append(out, fmt.Sprintf("%s/ (%d)", folder, counts[folder]))
		}
	}
	return out
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}
