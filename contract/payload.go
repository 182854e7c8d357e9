package contract

import "slices"

// A Field is one entry of a callback's body: section 4 of the contract, line by line.
type Field struct {
	Name  string
	Shape *Shape
	// Needed: a trainer must give it. Every other field that a trainer leaves out is
	// filled in by the relay, so that the backend sees every field.
	Needed bool
	// Default is what the relay fills in, JSON; it also stands in for a null where
	// the shape has none. Empty: the relay knows better than a constant.
	Default string
	// Lenient: what a trainer gives is repaired by the relay, never refused.
	Lenient bool
	// Agent: the agent adds it, so it may be absent on the wire too.
	Agent bool
}

// Bounds of what a trainer can say.
const (
	MaxEpoch   = 1_000_000
	MaxMetrics = 4096    // entries, each one series in the backend
	MaxClasses = 1 << 16 // rows, which cost more in memory than on the wire
)

var (
	shapeNumber   = &Shape{Kind: ShapeNumber, Null: true} // null is "none", as in Number
	shapePercent  = &Shape{Kind: ShapeNumber, Null: true, Bounds: &Bounds{0, 100}}
	shapeInteger  = &Shape{Kind: ShapeInteger}
	shapeCount    = &Shape{Kind: ShapeInteger, Bounds: &Bounds{0, 1 << 53}}
	shapeEpoch    = &Shape{Kind: ShapeInteger, Bounds: &Bounds{0, MaxEpoch}}
	shapeText     = &Shape{Kind: ShapeText}
	shapeTextNull = &Shape{Kind: ShapeText, Null: true}
	shapePathNull = &Shape{Kind: ShapePath, Null: true}
	shapeBool     = &Shape{Kind: ShapeBool}
	shapeTime     = &Shape{Kind: ShapeTime}
	shapeObject   = &Shape{Kind: ShapeObject}
	shapeMetrics  = &Shape{Kind: ShapeMap, Of: shapeNumber, Most: MaxMetrics}
	shapeNumbers  = &Shape{Kind: ShapeList, Of: shapeNumber}
	shapeIntegers = &Shape{Kind: ShapeList, Of: shapeInteger}
	shapeStatus   = &Shape{Kind: ShapeText, Words: words(StatusSucceeded, StatusFailed)}

	shapePRCurves = &Shape{Kind: ShapeMap, Null: true, Most: MaxClasses, Of: &Shape{Kind: ShapeObject, Fields: map[string]*Shape{
		"precision": shapeNumbers, "recall": shapeNumbers,
	}}}
	shapePerClass = &Shape{Kind: ShapeList, Null: true, Most: MaxClasses, Of: &Shape{Kind: ShapeObject, Fields: map[string]*Shape{
		"class_id": shapeInteger, "class_name": shapeText, "precision": shapeNumber, "recall": shapeNumber, "ap": shapeNumber, "support": shapeInteger,
	}}}
	shapeConfusion = &Shape{Kind: ShapeList, Of: shapeIntegers, Null: true, Most: MaxClasses}
	shapeModelInfo = &Shape{Kind: ShapeObject, Null: true, Fields: map[string]*Shape{
		"model_size_mb": shapeNumber, "inference_speed_ms": shapeNumber, "inference_speed_p95_ms": shapeNumber,
		"input_shape":  {Kind: ShapeList, Of: shapeInteger, Null: true},
		"output_shape": {Kind: ShapeList, Of: shapeInteger, Null: true},
	}}
	shapeExportMetrics = &Shape{Kind: ShapeObject, Null: true, Fields: map[string]*Shape{
		"accuracy": shapeNumber, "original_accuracy": shapeNumber, "accuracy_drop": shapeNumber, "passed": shapeBool,
	}}
)

func words[T ~string](list ...T) []string {
	texts := make([]string, len(list))
	for i, w := range list {
		texts[i] = string(w)
	}
	return texts
}

// What most final callbacks and every message have.
var (
	fieldStatus    = Field{Name: "status", Shape: shapeStatus, Needed: true}
	fieldErrorLine = Field{Name: "error_message", Shape: shapeTextNull, Default: "null"}
	fieldFailure   = Field{Name: "error", Shape: shapeObject, Agent: true}
	fieldExitCode  = Field{Name: "exit_code", Shape: shapeInteger, Agent: true}
	fieldTimestamp = Field{Name: "timestamp", Shape: shapeTime, Lenient: true}
)

func fieldPath(name string) Field { return Field{Name: name, Shape: shapePathNull, Default: "null"} }

// Fields lists the fields of a callback's body, in order; nil for an unknown kind.
func Fields(kind Kind) []Field { return payloadFields[kind] }

// PayloadShape is the whole body of a callback as one shape.
func PayloadShape(kind Kind) *Shape { return payloadShapes[kind] }

// KindsOf are the callbacks that a job of this type sends.
func KindsOf(t JobType, inference InferenceType) []Kind {
	kinds := []Kind{KindHeartbeat, KindEvent, FinalKind(t, inference)}
	switch t {
	case JobExport:
		return append(kinds, KindExportProgress)
	case JobInference:
		return append(kinds, KindInferenceProgress)
	}
	return append(kinds, KindValidation)
}

var payloadFields = map[Kind][]Field{
	KindHeartbeat: {
		{Name: "epoch", Shape: shapeEpoch, Needed: true},
		{Name: "progress", Shape: shapePercent, Default: "null", Lenient: true},
		{Name: "metrics", Shape: shapeMetrics, Default: "{}"},
		{Name: "system", Shape: shapeObject, Agent: true},
		{Name: "phase", Shape: shapeText, Agent: true},
		{Name: "transfer", Shape: shapeObject, Agent: true},
		fieldTimestamp,
	},
	KindEvent: {
		{Name: "event_type", Shape: shapeText, Needed: true},
		{Name: "message", Shape: shapeText, Default: `""`},
		{Name: "data", Shape: shapeObject, Default: "{}"},
		fieldTimestamp,
	},
	KindValidation: {
		{Name: "epoch", Shape: shapeEpoch, Needed: true},
		{Name: "task_type", Shape: &Shape{Kind: ShapeText, Words: words(TaskTypes...)}, Lenient: true},
		{Name: "primary_metric_name", Shape: shapeText},
		{Name: "primary_metric_value", Shape: shapeNumber},
		{Name: "metrics", Shape: shapeMetrics, Default: "{}"},
		{Name: "per_class_metrics", Shape: shapePerClass, Default: "null"},
		{Name: "confusion_matrix", Shape: shapeConfusion, Default: "null"},
		{Name: "pr_curves", Shape: shapePRCurves, Default: "null"},
		fieldPath("image_results_path"),
		{Name: "num_images_validated", Shape: shapeCount, Default: "0"},
		{Name: "validation_time_seconds", Shape: shapeNumber, Default: "null"},
		fieldTimestamp,
	},
	KindDone: {
		fieldStatus,
		{Name: "final_metrics", Shape: shapeMetrics, Default: "{}"},
		fieldPath("checkpoint_path"), fieldErrorLine, fieldFailure, fieldExitCode,
		{Name: "artifacts", Shape: &Shape{Kind: ShapeList}, Agent: true},
		fieldTimestamp,
	},
	KindInferenceProgress: {
		{Name: "processed_images", Shape: shapeCount, Needed: true},
		{Name: "total_images", Shape: shapeCount, Default: "0"},
		{Name: "progress_percent", Shape: shapePercent, Default: "null", Lenient: true},
		{Name: "avg_inference_time_ms", Shape: shapeNumber, Default: "null"},
		fieldTimestamp,
	},
	KindTestRunDone: {
		fieldStatus,
		{Name: "overall_metrics", Shape: shapeMetrics, Default: "{}"},
		{Name: "per_class_metrics", Shape: shapePerClass, Default: "null"},
		{Name: "confusion_matrix", Shape: shapeConfusion, Default: "null"},
		{Name: "pr_curves", Shape: shapePRCurves, Default: "null"},
		fieldPath("results_path"), fieldPath("visualizations_path"), fieldPath("xai_results_path"),
		fieldErrorLine, fieldFailure, fieldExitCode, fieldTimestamp,
	},
	KindInferenceDone: {
		fieldStatus,
		fieldPath("results_path"), fieldPath("visualizations_path"), fieldPath("xai_results_path"),
		fieldErrorLine, fieldFailure, fieldExitCode, fieldTimestamp,
	},
	KindExportProgress: {
		{Name: "progress_percent", Shape: shapePercent, Needed: true, Lenient: true},
		{Name: "stage", Shape: &Shape{Kind: ShapeText, Words: words(ExportStages...)}, Default: `"converting"`},
		{Name: "message", Shape: shapeText, Default: `""`},
		fieldTimestamp,
	},
	KindExportDone: {
		fieldStatus,
		fieldPath("export_path"), fieldPath("metadata_path"), fieldPath("package_path"),
		{Name: "model_info", Shape: shapeModelInfo, Default: "null"},
		{Name: "validation_metrics", Shape: shapeExportMetrics, Default: "null"},
		fieldErrorLine, fieldFailure, fieldExitCode, fieldTimestamp,
	},
}

var payloadShapes = func() map[Kind]*Shape {
	shapes := map[Kind]*Shape{}
	for kind, fields := range payloadFields {
		shape := &Shape{Kind: ShapeObject, Fields: map[string]*Shape{}}
		for _, f := range fields {
			shape.Fields[f.Name] = f.Shape
		}
		shapes[kind] = shape
	}
	return shapes
}()

// AgentEvents are the events that only the agent raises.
var AgentEvents = []EventType{
	EventAgentStarted, EventPreviousRunKilled, EventDatasetDownloaded, EventDatasetPrepared, EventPretrainedDownloaded, EventIsolationIncomplete, EventTrainingStarted,
	EventTrainingResumed, EventCheckpointSaved, EventCheckpointUploadFailed, EventCallbackRejected, EventGPUWarning,
	EventGPUError, EventResourceWarning, EventHangSuspected, EventStopping, EventTrainingFinished,
}

// OfAgent reports whether only the agent raises the event.
func (e EventType) OfAgent() bool { return slices.Contains(AgentEvents, e) }
