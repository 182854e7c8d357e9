package contract

import "encoding/json"

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
	EventPreviousRunKilled      EventType = "previous_run_killed"
	EventDatasetDownloaded      EventType = "dataset_downloaded"
	EventDatasetPrepared        EventType = "dataset_prepared"
	EventPretrainedDownloaded   EventType = "pretrained_downloaded"
	EventIsolationIncomplete    EventType = "isolation_incomplete"
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
