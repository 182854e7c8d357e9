package backend

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// newPayload is the type of a callback's body.
func newPayload(k contract.Kind) any {
	switch k {
	case contract.KindHeartbeat:
		return new(contract.Heartbeat)
	case contract.KindEvent:
		return new(contract.Event)
	case contract.KindValidation:
		return new(contract.Validation)
	case contract.KindInferenceProgress:
		return new(contract.InferenceProgress)
	case contract.KindTestRunDone:
		return new(contract.TestRunDone)
	case contract.KindInferenceDone:
		return new(contract.InferenceDone)
	case contract.KindExportProgress:
		return new(contract.ExportProgress)
	case contract.KindExportDone:
		return new(contract.ExportDone)
	default:
		return new(contract.Done)
	}
}

// required are the fields that every body of a kind must spell out, null or not;
// those that only the agent adds are optional.
var required = map[contract.Kind][]string{
	contract.KindHeartbeat: {"epoch", "progress", "metrics", "timestamp"},
	contract.KindEvent:     {"event_type", "message", "data", "timestamp"},
	contract.KindValidation: {
		"epoch", "task_type", "primary_metric_name", "primary_metric_value", "metrics", "per_class_metrics",
		"confusion_matrix", "pr_curves", "image_results_path", "num_images_validated", "validation_time_seconds", "timestamp",
	},
	contract.KindDone:              {"status", "final_metrics", "checkpoint_path", "error_message", "timestamp"},
	contract.KindInferenceProgress: {"processed_images", "total_images", "progress_percent", "avg_inference_time_ms", "timestamp"},
	contract.KindTestRunDone: {
		"status", "overall_metrics", "per_class_metrics", "confusion_matrix", "pr_curves",
		"results_path", "visualizations_path", "xai_results_path", "error_message", "timestamp",
	},
	contract.KindInferenceDone:  {"status", "results_path", "visualizations_path", "xai_results_path", "error_message", "timestamp"},
	contract.KindExportProgress: {"progress_percent", "stage", "message", "timestamp"},
	contract.KindExportDone: {
		"status", "export_path", "metadata_path", "package_path", "model_info", "validation_metrics", "error_message", "timestamp",
	},
}

// parse reads a body strictly: one JSON object with every required field, no
// unknown one, a UTC timestamp, and values that can be.
func parse(k contract.Kind, body []byte) (any, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, fmt.Errorf("the body is not a JSON object: %s", clip(body))
	}
	for _, name := range required[k] {
		if _, ok := fields[name]; !ok {
			return nil, fmt.Errorf("%s: the field is missing", name)
		}
	}
	payload := newPayload(k)
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(payload); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the body goes on after its JSON object")
	}
	if stamp := string(fields["timestamp"]); !strings.HasSuffix(stamp, `Z"`) {
		return nil, fmt.Errorf("timestamp: %s is not RFC 3339 in UTC with Z", stamp)
	}
	return payload, checkPayload(payload)
}

func checkPayload(payload any) error {
	switch p := payload.(type) {
	case *contract.Heartbeat:
		return errors.Join(notNegative("epoch", p.Epoch), percent("progress", p.Progress), present("metrics", p.Metrics != nil))
	case *contract.Event:
		return errors.Join(present("event_type", p.EventType != ""), object("data", p.Data))
	case *contract.Validation:
		return checkValidation(p)
	case *contract.InferenceProgress:
		return errors.Join(notNegative("processed_images", p.ProcessedImages), notNegative("total_images", p.TotalImages),
			percent("progress_percent", p.ProgressPercent))
	case *contract.ExportProgress:
		return errors.Join(percent("progress_percent", p.ProgressPercent), oneOf("stage", p.Stage, contract.ExportStages))
	case *contract.Done:
		return errors.Join(checkOutcome(p.Status, p.ErrorMessage, p.Error), present("final_metrics", p.FinalMetrics != nil))
	case *contract.TestRunDone:
		return errors.Join(checkOutcome(p.Status, p.ErrorMessage, p.Error), checkMatrix(p.ConfusionMatrix), checkCurves(p.PRCurves))
	case *contract.InferenceDone:
		return checkOutcome(p.Status, p.ErrorMessage, p.Error)
	case *contract.ExportDone:
		return checkOutcome(p.Status, p.ErrorMessage, p.Error)
	}
	return nil
}

func checkValidation(v *contract.Validation) error {
	return errors.Join(
		notNegative("epoch", v.Epoch), oneOf("task_type", v.TaskType, contract.TaskTypes),
		present("primary_metric_name", v.PrimaryMetricName != ""), present("metrics", v.Metrics != nil),
		notNegative("num_images_validated", v.NumImagesValidated),
		checkMatrix(v.ConfusionMatrix), checkCurves(v.PRCurves))
}

// checkOutcome holds a final callback to its word: a failure says why, a success
// has nothing to explain.
func checkOutcome(s contract.Status, message *string, failure *contract.Failure) error {
	if err := oneOf("status", s, []contract.Status{contract.StatusSucceeded, contract.StatusFailed}); err != nil {
		return err
	}
	failed := s == contract.StatusFailed
	if failed && (message == nil || *message == "") {
		return errors.New("error_message: a failure must say why")
	}
	if !failed && (message != nil || failure != nil) {
		return errors.New("error_message: must be null when the status is succeeded")
	}
	if failure != nil && !slices.Contains(contract.Codes(), failure.Code) {
		return fmt.Errorf("error.code: %q is no failure code of the contract", failure.Code)
	}
	return nil
}

func checkMatrix(m [][]int64) error {
	for i, row := range m {
		if len(row) != len(m) {
			return fmt.Errorf("confusion_matrix: row %d has %d values, want %d", i, len(row), len(m))
		}
	}
	return nil
}

func checkCurves(curves map[string]contract.PRCurve) error {
	for class, c := range curves {
		if len(c.Precision) != len(c.Recall) {
			return fmt.Errorf("pr_curves: %q has %d precisions and %d recalls", class, len(c.Precision), len(c.Recall))
		}
	}
	return nil
}

func notNegative(name string, n int) error {
	if n < 0 {
		return fmt.Errorf("%s: %d is negative", name, n)
	}
	return nil
}

func percent(name string, n contract.Number) error {
	if n.Finite() && (n < 0 || n > 100) {
		return fmt.Errorf("%s: %v is not within 0 and 100", name, float64(n))
	}
	return nil
}

func present(name string, ok bool) error {
	if !ok {
		return fmt.Errorf("%s: must not be empty or null", name)
	}
	return nil
}

func object(name string, raw json.RawMessage) error {
	if !strings.HasPrefix(strings.TrimSpace(string(raw)), "{") {
		return fmt.Errorf("%s: must be a JSON object, got %s", name, clip(raw))
	}
	return nil
}

func oneOf[T ~string](name string, value T, allowed []T) error {
	if !slices.Contains(allowed, value) {
		return fmt.Errorf("%s: %q is none of %q", name, value, allowed)
	}
	return nil
}

// clip shortens what is quoted in a message.
func clip(b []byte) string {
	const limit = 120
	if len(b) > limit {
		return string(b[:limit]) + "…"
	}
	return string(b)
}
