package contract

// ExportStage names a step of an export job.
type ExportStage string

// The stages of an export job, in order.
const (
	StageDownloading ExportStage = "downloading"
	StageConverting  ExportStage = "converting"
	StageOptimizing  ExportStage = "optimizing"
	StageValidating  ExportStage = "validating"
	StagePackaging   ExportStage = "packaging"
	StageUploading   ExportStage = "uploading"
)

// ExportStages lists the stages in order.
var ExportStages = []ExportStage{
	StageDownloading, StageConverting, StageOptimizing, StageValidating, StagePackaging, StageUploading,
}

// ExportProgress reports the progress of an export job.
type ExportProgress struct {
	ProgressPercent Number      `json:"progress_percent"`
	Stage           ExportStage `json:"stage"`
	Message         string      `json:"message"`
	Timestamp       Timestamp   `json:"timestamp"`
}

// ExportDone ends an export job.
type ExportDone struct {
	Status            Status            `json:"status"`
	ExportPath        *string           `json:"export_path"`
	MetadataPath      *string           `json:"metadata_path"`
	PackagePath       *string           `json:"package_path"`
	ModelInfo         *ModelInfo        `json:"model_info"`
	ValidationMetrics *ExportValidation `json:"validation_metrics"`
	ErrorMessage      *string           `json:"error_message"`
	Error             *Failure          `json:"error,omitempty"`
	ExitCode          *int              `json:"exit_code,omitempty"`
	Timestamp         Timestamp         `json:"timestamp"`
}

// ModelInfo describes an exported model.
type ModelInfo struct {
	ModelSizeMB      Number `json:"model_size_mb"`      // MiB
	InferenceSpeedMs Number `json:"inference_speed_ms"` // per image, median
	// InferenceP95Ms is the 95th percentile; nil of a trainer that did not measure it.
	InferenceP95Ms *Number `json:"inference_speed_p95_ms,omitempty"`
	InputShape     []int   `json:"input_shape"`
	OutputShape    []int   `json:"output_shape"`
}

// ExportValidation compares the exported model with the original.
type ExportValidation struct {
	Accuracy         Number `json:"accuracy"`
	OriginalAccuracy Number `json:"original_accuracy"`
	AccuracyDrop     Number `json:"accuracy_drop"`
	Passed           bool   `json:"passed"`
}
