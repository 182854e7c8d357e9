package contract

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"
)

// Kind is a callback of section 4 of the contract.
type Kind string

// Every callback that the backend answers and the relay serves.
const (
	KindHeartbeat         Kind = "heartbeat"
	KindEvent             Kind = "event"
	KindValidation        Kind = "validation"
	KindDone              Kind = "done"
	KindInferenceProgress Kind = "inference_progress"
	KindTestRunDone       Kind = "test_run_done"
	KindInferenceDone     Kind = "inference_done"
	KindExportProgress    Kind = "export_progress"
	KindExportDone        Kind = "export_done"
)

// Kinds lists every callback.
var Kinds = []Kind{
	KindHeartbeat, KindEvent, KindValidation, KindDone, KindInferenceProgress,
	KindTestRunDone, KindInferenceDone, KindExportProgress, KindExportDone,
}

var kindPaths = map[Kind]string{
	KindHeartbeat:         "/api/v1/jobs/{id}/heartbeat",
	KindEvent:             "/api/v1/jobs/{id}/event",
	KindValidation:        "/api/v1/jobs/{id}/validation",
	KindDone:              "/api/v1/jobs/{id}/done",
	KindInferenceProgress: "/api/v1/inference/{id}/progress",
	KindTestRunDone:       "/api/v1/test-runs/{id}/done",
	KindInferenceDone:     "/api/v1/inference/jobs/{id}/done",
	KindExportProgress:    "/api/v1/export/jobs/{id}/progress",
	KindExportDone:        "/api/v1/export/jobs/{id}/done",
}

// Pattern returns the path with "{id}" in place of the job id, as net/http's
// ServeMux takes it.
func (k Kind) Pattern() string { return kindPaths[k] }

// Path returns the path of the callback for one job.
func (k Kind) Path(jobID string) string {
	return strings.Replace(kindPaths[k], "{id}", url.PathEscape(jobID), 1)
}

// Final reports whether the callback ends a job: it is the last one delivered.
func (k Kind) Final() bool {
	switch k {
	case KindDone, KindTestRunDone, KindInferenceDone, KindExportDone:
		return true
	}
	return false
}

// FinalKind is the callback that ends a job of this type.
func FinalKind(t JobType, inference InferenceType) Kind {
	switch {
	case t == JobExport:
		return KindExportDone
	case t == JobInference && inference == InferenceTestRun:
		return KindTestRunDone
	case t == JobInference:
		return KindInferenceDone
	}
	return KindDone
}

// Header names of every callback.
const (
	HeaderAuthorization  = "Authorization" // "Bearer {token}"
	HeaderTraceID        = "X-Trace-ID"
	HeaderIdempotencyKey = "Idempotency-Key" // "{job}:{sequence}", the same on every retry
)

// Message is one callback on its way to the backend.
type Message struct {
	Kind Kind            `json:"kind"`
	Body json.RawMessage `json:"body"` // a JSON object, already valid for Kind
	Time time.Time       `json:"time"` // when it happened, which is the body's timestamp
}

// NewMessage encodes a payload.
func NewMessage(kind Kind, payload any, at time.Time) (Message, error) {
	body, err := json.Marshal(payload)
	return Message{Kind: kind, Body: body, Time: at}, err
}

// Status is the outcome of a job in a final callback.
type Status string

// The two outcomes.
const (
	StatusSucceeded Status = "succeeded"
	StatusFailed    Status = "failed"
)

// Heartbeat reports progress, at least once an epoch.
type Heartbeat struct {
	Epoch     int       `json:"epoch"`    // completed epochs, 1-based; 0 before the first
	Progress  Number    `json:"progress"` // percent, 0–100
	Metrics   Metrics   `json:"metrics"`
	System    *System   `json:"system,omitempty"` // added by the agent
	Phase     string    `json:"phase,omitempty"`  // added by the agent when it speaks for a silent child
	Transfer  *Transfer `json:"transfer,omitempty"`
	Timestamp Timestamp `json:"timestamp"`
}

// Transfer is the state of a download or of the checkpoint uploads.
type Transfer struct {
	What           string `json:"what"` // "dataset", "weights", "checkpoints"
	BytesDone      int64  `json:"bytes_done"`
	BytesTotal     int64  `json:"bytes_total"` // 0 when it is not known
	FilesDone      int64  `json:"files_done,omitempty"`
	FilesTotal     int64  `json:"files_total,omitempty"`
	BytesPerSecond int64  `json:"bytes_per_second"`
	Queued         int    `json:"queued,omitempty"`  // uploads waiting
	Waiting        bool   `json:"waiting,omitempty"` // another job of this machine fetches it into the shared cache
}

// System is what the agent measures on the machine. A value that cannot be read
// is absent, never zero.
type System struct {
	GPUs   []GPU   `json:"gpus,omitempty"`
	CPU    *CPU    `json:"cpu,omitempty"`
	Memory *Memory `json:"memory,omitempty"`
	Disk   *Disk   `json:"disk,omitempty"`
	Shm    *Disk   `json:"shm,omitempty"`
}

// CPU is the use of processors by the container since the last heartbeat.
type CPU struct {
	UtilPercent Number  `json:"util_percent"` // 100 = one core
	Limit       Number  `json:"limit_cores"`  // cores that the cgroup or the machine allows
	PressureAvg *Number `json:"pressure_avg10,omitempty"`
}

// Memory is the container's memory against its limit.
type Memory struct {
	UsedBytes   int64   `json:"used_bytes"`
	LimitBytes  int64   `json:"limit_bytes,omitempty"`
	PeakBytes   int64   `json:"peak_bytes,omitempty"`
	OOMKills    *int64  `json:"oom_kills,omitempty"`
	PressureAvg *Number `json:"pressure_avg10,omitempty"`
}

// Disk is the use of one file system.
type Disk struct {
	Path       string `json:"path"`
	UsedBytes  int64  `json:"used_bytes"`
	TotalBytes int64  `json:"total_bytes"`
	PeakBytes  int64  `json:"peak_bytes,omitempty"`
}

// GPU is one device's state: means and maxima since the last heartbeat.
type GPU struct {
	UUID           string   `json:"uuid"`
	Index          int      `json:"index"`
	Name           string   `json:"name,omitempty"`
	UtilPercent    *Number  `json:"util_percent,omitempty"`
	MemUsedBytes   *int64   `json:"mem_used_bytes,omitempty"`
	MemTotalBytes  *int64   `json:"mem_total_bytes,omitempty"`
	TempC          *Number  `json:"temp_c,omitempty"`
	MemTempC       *Number  `json:"mem_temp_c,omitempty"`
	PowerW         *Number  `json:"power_w,omitempty"`
	SMClockMHz     *Number  `json:"sm_clock_mhz,omitempty"`
	Throttle       []string `json:"throttle,omitempty"`
	ECCUncorrected *int64   `json:"ecc_uncorrected,omitempty"`
	ECCCorrected   *int64   `json:"ecc_corrected,omitempty"`
	RemapPending   *bool    `json:"remap_pending,omitempty"`
	RemapFailed    *bool    `json:"remap_failed,omitempty"`
	PCIeReplay     *int64   `json:"pcie_replay,omitempty"`
	NVLinkErrors   *int64   `json:"nvlink_errors,omitempty"`
	RecoveryAction *int64   `json:"recovery_action,omitempty"`
}

// Event tells the backend that something happened. Names of the child's own
// events pass through unchanged.
type Event struct {
	EventType EventType       `json:"event_type"`
	Message   string          `json:"message"`
	Data      json.RawMessage `json:"data"` // a JSON object
	Timestamp Timestamp       `json:"timestamp"`
}

// EventType names an event.
type EventType string

// The events that the agent raises itself.
const (
	EventAgentStarted           EventType = "agent_started"
	EventDatasetDownloaded      EventType = "dataset_downloaded"
	EventDatasetPrepared        EventType = "dataset_prepared"
	EventPretrainedDownloaded   EventType = "pretrained_downloaded"
	EventTrainingStarted        EventType = "training_started"
	EventTrainingResumed        EventType = "training_resumed"
	EventCheckpointSaved        EventType = "checkpoint_saved"
	EventCheckpointUploadFailed EventType = "checkpoint_upload_failed"
	EventCallbackRejected       EventType = "callback_rejected"
	EventGPUWarning             EventType = "gpu_warning"
	EventGPUError               EventType = "gpu_error"
	EventResourceWarning        EventType = "resource_warning"
	EventHangSuspected          EventType = "hang_suspected"
	EventStopping               EventType = "stopping"
	EventTrainingFinished       EventType = "training_finished"
)

// CheckpointSaved is the data of a checkpoint_saved event.
type CheckpointSaved struct {
	CheckpointPath string  `json:"checkpoint_path"` // s3:// URI
	Epoch          int     `json:"epoch,omitempty"`
	Metrics        Metrics `json:"metrics,omitempty"`
	IsBest         bool    `json:"is_best"`
	SizeBytes      int64   `json:"size_bytes"`
	SHA256         string  `json:"sha256"` // hex; of a folder: of its manifest lines
}

// Validation is the result of one validation run.
type Validation struct {
	Epoch                 int                `json:"epoch"`
	TaskType              TaskType           `json:"task_type"`
	PrimaryMetricName     string             `json:"primary_metric_name"`
	PrimaryMetricValue    Number             `json:"primary_metric_value"`
	Metrics               Metrics            `json:"metrics"`
	PerClassMetrics       []ClassMetrics     `json:"per_class_metrics"`
	ConfusionMatrix       [][]int64          `json:"confusion_matrix"`
	PRCurves              map[string]PRCurve `json:"pr_curves"`
	ImageResultsPath      *string            `json:"image_results_path"`
	NumImagesValidated    int                `json:"num_images_validated"`
	ValidationTimeSeconds *Number            `json:"validation_time_seconds"`
	Timestamp             Timestamp          `json:"timestamp"`
}

// ClassMetrics are the metrics of one class.
type ClassMetrics struct {
	ClassID   int    `json:"class_id"`
	ClassName string `json:"class_name"`
	Precision Number `json:"precision"`
	Recall    Number `json:"recall"`
	AP        Number `json:"ap"`
	Support   int    `json:"support"`
}

// PRCurve is a precision-recall curve; both slices have the same length.
type PRCurve struct {
	Precision []Number `json:"precision"`
	Recall    []Number `json:"recall"`
}

// ValidationReply is what the backend answers to a validation.
type ValidationReply struct {
	Status string `json:"status"`
	IsBest bool   `json:"is_best"`
}

// Done ends a training job.
type Done struct {
	Status         Status     `json:"status"`
	FinalMetrics   Metrics    `json:"final_metrics"`
	CheckpointPath *string    `json:"checkpoint_path"`
	ErrorMessage   *string    `json:"error_message"` // null on success
	Error          *Failure   `json:"error,omitempty"`
	ExitCode       *int       `json:"exit_code,omitempty"` // of the child; 128+n when signal n ended it
	Artifacts      []Artifact `json:"artifacts,omitempty"`
	Timestamp      Timestamp  `json:"timestamp"`
}

// Artifact is an object that the job left in the bucket.
type Artifact struct {
	Name      string `json:"name"`
	Path      string `json:"path"` // s3:// URI
	SizeBytes int64  `json:"size_bytes"`
	SHA256    string `json:"sha256,omitempty"`
}

// InferenceProgress reports the progress of an inference run.
type InferenceProgress struct {
	ProcessedImages    int       `json:"processed_images"`
	TotalImages        int       `json:"total_images"`
	ProgressPercent    Number    `json:"progress_percent"`
	AvgInferenceTimeMs Number    `json:"avg_inference_time_ms"`
	Timestamp          Timestamp `json:"timestamp"`
}

// TestRunDone ends a test run.
type TestRunDone struct {
	Status             Status             `json:"status"`
	OverallMetrics     Metrics            `json:"overall_metrics"`
	PerClassMetrics    []ClassMetrics     `json:"per_class_metrics"`
	ConfusionMatrix    [][]int64          `json:"confusion_matrix"`
	PRCurves           map[string]PRCurve `json:"pr_curves"`
	ResultsPath        *string            `json:"results_path"`
	VisualizationsPath *string            `json:"visualizations_path"`
	XAIResultsPath     *string            `json:"xai_results_path"`
	ErrorMessage       *string            `json:"error_message"`
	Error              *Failure           `json:"error,omitempty"`
	ExitCode           *int               `json:"exit_code,omitempty"`
	Timestamp          Timestamp          `json:"timestamp"`
}

// InferenceDone ends an inference job.
type InferenceDone struct {
	Status             Status    `json:"status"`
	ResultsPath        *string   `json:"results_path"`
	VisualizationsPath *string   `json:"visualizations_path"`
	XAIResultsPath     *string   `json:"xai_results_path"`
	ErrorMessage       *string   `json:"error_message"`
	Error              *Failure  `json:"error,omitempty"`
	ExitCode           *int      `json:"exit_code,omitempty"`
	Timestamp          Timestamp `json:"timestamp"`
}

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
	InferenceSpeedMs Number `json:"inference_speed_ms"` // per image
	InputShape       []int  `json:"input_shape"`
	OutputShape      []int  `json:"output_shape"`
}

// ExportValidation compares the exported model with the original.
type ExportValidation struct {
	Accuracy         Number `json:"accuracy"`
	OriginalAccuracy Number `json:"original_accuracy"`
	AccuracyDrop     Number `json:"accuracy_drop"`
	Passed           bool   `json:"passed"`
}
