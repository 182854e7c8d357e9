package relay

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

type shapeKind int

const (
	kindAny shapeKind = iota
	kindNumber
	kindInteger
	kindText
	kindBool
	kindObject // fields of different shapes; unknown ones are anything
	kindMap    // any names, one shape
	kindList
)

// A shape is what a field of the contract takes.
type shape struct {
	kind   shapeKind
	null   bool
	of     *shape            // of the entries of a map or list
	fields map[string]*shape // of an object
	max    int               // entries of a map or list, 0 = bounded by the body alone
	words  []string          // the texts allowed, nil = all
}

var anything = &shape{kind: kindAny, null: true}

// maxMetrics bounds what becomes one series each in the backend.
const maxMetrics = 4096

var (
	number    = &shape{kind: kindNumber, null: true} // null is NaN, as in contract.Number
	integer   = &shape{kind: kindInteger}
	text      = &shape{kind: kindText}
	textNull  = &shape{kind: kindText, null: true}
	object    = &shape{kind: kindObject, null: true}
	metrics   = &shape{kind: kindMap, of: number, max: maxMetrics, null: true}
	numbers   = &shape{kind: kindList, of: number}
	integers  = &shape{kind: kindList, of: integer}
	confusion = &shape{kind: kindList, of: integers, null: true}
	prCurves  = &shape{kind: kindMap, null: true, of: &shape{kind: kindObject, fields: map[string]*shape{
		"precision": numbers, "recall": numbers,
	}}}
	perClass = &shape{kind: kindList, null: true, of: &shape{kind: kindObject, fields: map[string]*shape{
		"class_id": integer, "class_name": text, "precision": number, "recall": number, "ap": number, "support": integer,
	}}}
	status = &shape{kind: kindText, words: []string{string(contract.StatusSucceeded), string(contract.StatusFailed)}}
	stage  = &shape{kind: kindText, words: stageWords()}
)

func stageWords() []string {
	words := make([]string, len(contract.ExportStages))
	for i, s := range contract.ExportStages {
		words[i] = string(s)
	}
	return words
}

// nullable reports whether null is taken.
func (sh *shape) nullable() bool { return sh.kind == kindAny || sh.null }

// field is the shape of an object's or map's entry.
func (sh *shape) field(name string) *shape {
	if sh.kind == kindMap {
		return sh.of
	}
	if f := sh.fields[name]; f != nil {
		return f
	}
	return anything
}

// element is the shape of a list's entry.
func (sh *shape) element() *shape {
	if sh.of != nil {
		return sh.of
	}
	return anything
}

// allowed checks a text in its quotes against the words.
func (sh *shape) allowed(raw []byte) error {
	if sh.words == nil || slices.Contains(sh.words, unquote(raw)) {
		return nil
	}
	return &fieldError{"", fmt.Sprintf("want one of %s, have %s", strings.Join(sh.words, ", "), shown(string(raw)))}
}

// unlike says what the shape takes and what came.
func (sh *shape) unlike(have string) error {
	want := map[shapeKind]string{
		kindNumber: "a number", kindInteger: "a whole number", kindText: "a text", kindBool: "true or false",
		kindObject: "an object", kindMap: "an object", kindList: "a list",
	}[sh.kind]
	return &fieldError{"", fmt.Sprintf("want %s, have %s", want, have)}
}

// A payload is what section 4 of the contract says of one callback's body.
type payload struct {
	shape    *shape
	required []string
	defaults []field // for fields that are absent, in this order
}

func payloadOf(required []string, defaults []field, fields map[string]*shape) payload {
	fields["timestamp"] = anything // repaired, never refused
	return payload{&shape{kind: kindObject, fields: fields}, required, defaults}
}

func nulls(names ...string) []field {
	fields := make([]field, len(names))
	for i, n := range names {
		fields[i] = field{n, []byte("null")}
	}
	return fields
}

func with(name, raw string, more ...field) []field {
	return append([]field{{name, []byte(raw)}}, more...)
}

// payloads is the table of section 4. A field that a trainer may well leave out
// gets the contract's empty value, so that the backend sees every field.
var payloads = map[contract.Kind]payload{
	contract.KindHeartbeat: payloadOf([]string{"epoch"}, with("progress", "null", with("metrics", "{}")...), map[string]*shape{
		"epoch": integer, "progress": number, "metrics": metrics, "system": object, "transfer": object, "phase": text,
	}),
	contract.KindEvent: payloadOf([]string{"event_type"}, with("message", `""`, with("data", "{}")...), map[string]*shape{
		"event_type": text, "message": textNull, "data": object,
	}),
	contract.KindValidation: payloadOf([]string{"epoch"},
		with("metrics", "{}", with("num_images_validated", "0",
			nulls("per_class_metrics", "confusion_matrix", "pr_curves", "image_results_path", "validation_time_seconds")...)...),
		map[string]*shape{
			"epoch": integer, "task_type": text, "primary_metric_name": text, "primary_metric_value": number,
			"metrics": metrics, "per_class_metrics": perClass, "confusion_matrix": confusion, "pr_curves": prCurves,
			"image_results_path": textNull, "num_images_validated": integer, "validation_time_seconds": number,
		}),
	contract.KindDone: payloadOf([]string{"status"}, with("final_metrics", "{}", nulls("checkpoint_path", "error_message")...), map[string]*shape{
		"status": status, "final_metrics": metrics, "checkpoint_path": textNull, "error_message": textNull,
	}),
	contract.KindInferenceProgress: payloadOf([]string{"processed_images"}, nulls("avg_inference_time_ms"), map[string]*shape{
		"processed_images": integer, "total_images": integer, "progress_percent": number, "avg_inference_time_ms": number,
	}),
	contract.KindTestRunDone: payloadOf([]string{"status"},
		with("overall_metrics", "{}", nulls("per_class_metrics", "confusion_matrix", "pr_curves",
			"results_path", "visualizations_path", "xai_results_path", "error_message")...),
		map[string]*shape{
			"status": status, "overall_metrics": metrics, "per_class_metrics": perClass, "confusion_matrix": confusion,
			"pr_curves": prCurves, "results_path": textNull, "visualizations_path": textNull, "xai_results_path": textNull,
			"error_message": textNull,
		}),
	contract.KindInferenceDone: payloadOf([]string{"status"},
		nulls("results_path", "visualizations_path", "xai_results_path", "error_message"), map[string]*shape{
			"status": status, "results_path": textNull, "visualizations_path": textNull, "xai_results_path": textNull,
			"error_message": textNull,
		}),
	contract.KindExportProgress: payloadOf([]string{"progress_percent"}, with("message", `""`), map[string]*shape{
		"progress_percent": number, "stage": stage, "message": textNull,
	}),
	contract.KindExportDone: payloadOf([]string{"status"},
		nulls("export_path", "metadata_path", "package_path", "model_info", "validation_metrics", "error_message"), map[string]*shape{
			"status": status, "export_path": textNull, "metadata_path": textNull, "package_path": textNull,
			"model_info": {kind: kindObject, null: true, fields: map[string]*shape{
				"model_size_mb": number, "inference_speed_ms": number,
				"input_shape":  {kind: kindList, of: integer, null: true},
				"output_shape": {kind: kindList, of: integer, null: true},
			}},
			"validation_metrics": {kind: kindObject, null: true, fields: map[string]*shape{
				"accuracy": number, "original_accuracy": number, "accuracy_drop": number, "passed": {kind: kindBool},
			}},
			"error_message": textNull,
		}),
}
