package contract

import (
	"encoding/json"
	"strings"
	"time"
)

// JobType says what the container is asked to do.
type JobType string

// The three kinds of job. An inference job is narrowed further by InferenceType.
const (
	JobTraining  JobType = "training"
	JobInference JobType = "inference"
	JobExport    JobType = "export"
)

// TaskType is the computer-vision task; it decides which annotations a dataset
// must have and which metric is primary.
type TaskType string

// The task types that the platform knows.
const (
	TaskObjectDetection        TaskType = "object_detection"
	TaskInstanceSegmentation   TaskType = "instance_segmentation"
	TaskPoseEstimation         TaskType = "pose_estimation"
	TaskImageClassification    TaskType = "image_classification"
	TaskZeroShotClassification TaskType = "zero_shot_classification"
	TaskSemanticSegmentation   TaskType = "semantic_segmentation"
)

// TaskTypes lists every task type in the order of the documentation.
var TaskTypes = []TaskType{
	TaskObjectDetection, TaskInstanceSegmentation, TaskPoseEstimation,
	TaskImageClassification, TaskZeroShotClassification, TaskSemanticSegmentation,
}

// PrimaryMetric returns the metric by which the best epoch is chosen when
// PRIMARY_METRIC does not say. All of them are better when larger.
func (t TaskType) PrimaryMetric() string {
	switch t {
	case TaskInstanceSegmentation:
		return "mAP50-95(M)"
	case TaskPoseEstimation:
		return "mAP50-95(P)"
	case TaskSemanticSegmentation:
		return "mIoU"
	case TaskImageClassification, TaskZeroShotClassification:
		return "accuracy"
	default:
		return "mAP50-95"
	}
}

// NeedsOutlines reports whether every object needs a polygon or a mask.
func (t TaskType) NeedsOutlines() bool {
	return t == TaskInstanceSegmentation || t == TaskSemanticSegmentation
}

// NeedsKeypoints reports whether every object needs keypoints.
func (t TaskType) NeedsKeypoints() bool { return t == TaskPoseEstimation }

// MetricMode says whether a larger or a smaller primary metric is better.
type MetricMode string

// The two directions of a primary metric.
const (
	MetricMax MetricMode = "max"
	MetricMin MetricMode = "min"
)

// IsLoss reports whether a metric is a loss by its name: the smaller the better.
func IsLoss(metric string) bool { return strings.Contains(strings.ToLower(metric), "loss") }

// Better reports whether candidate beats best in this mode.
func (m MetricMode) Better(candidate, best float64) bool {
	if m == MetricMin {
		return candidate < best
	}
	return candidate > best
}

// Frameworks with a trainer in this repository. A custom trainer has a name of
// its own.
const (
	FrameworkUltralytics = "ultralytics"
	FrameworkTimm        = "timm"
	FrameworkHuggingFace = "huggingface"
)

// DatasetFormat is the layout in which a prepared dataset is handed to a trainer.
type DatasetFormat string

// The dataset formats. FormatAuto is resolved from the framework and the task
// before anything is written; FormatNone hands over the unpacked dataset as it is.
const (
	FormatAuto        DatasetFormat = "auto"
	FormatYOLO        DatasetFormat = "yolo"
	FormatImageFolder DatasetFormat = "imagefolder"
	FormatCOCO        DatasetFormat = "coco"
	FormatNone        DatasetFormat = "none"
)

// ResolveFormat answers which layout a trainer of the framework reads for the
// task. Ultralytics reads YOLO except for classification, where it reads
// ImageFolder; timm and Hugging Face classifiers read ImageFolder.
func ResolveFormat(framework string, task TaskType) DatasetFormat {
	switch task {
	case TaskImageClassification, TaskZeroShotClassification:
		return FormatImageFolder
	case TaskSemanticSegmentation:
		return FormatCOCO
	}
	if framework == FrameworkHuggingFace {
		return FormatCOCO
	}
	return FormatYOLO
}

// InferenceType narrows an inference job.
type InferenceType string

// A test run has labels, so metrics come out; an inference job has none.
const (
	InferenceTestRun InferenceType = "test_run"
	InferenceJob     InferenceType = "inference_job"
)

// Job is one job as the environment describes it, with every default applied.
// Exactly one of Training, Inference and Export is set, according to Type.
// It holds no secret.
type Job struct {
	ID        string        `json:"job_id"`
	TraceID   string        `json:"trace_id"`
	Type      JobType       `json:"job_type"`
	Task      TaskType      `json:"task_type"`
	Framework string        `json:"framework,omitempty"`
	Model     string        `json:"model_name,omitempty"`
	Dataset   string        `json:"dataset_id,omitempty"`
	Snapshot  string        `json:"snapshot_id,omitempty"`
	Device    string        `json:"device"`
	Workers   int           `json:"num_workers"`
	Training  *TrainingJob  `json:"training,omitempty"`
	Inference *InferenceRun `json:"inference,omitempty"`
	Export    *ExportJob    `json:"export,omitempty"`
}

// TrainingJob holds the settings of a training job.
type TrainingJob struct {
	Epochs              int             `json:"epochs"`
	BatchSize           int             `json:"batch_size"`
	LearningRate        float64         `json:"learning_rate"`
	ImageSize           int             `json:"image_size"` // pixels, both sides
	SplitStrategy       *SplitStrategy  `json:"split_strategy,omitempty"`
	CheckpointFrequency int             `json:"checkpoint_frequency"` // epochs; 0 = only best and last
	MaxTrainingTime     time.Duration   `json:"max_training_time"`
	PrimaryMetric       string          `json:"primary_metric"`
	PrimaryMetricMode   MetricMode      `json:"primary_metric_mode"`
	Config              json.RawMessage `json:"config,omitempty"` // the job's own CONFIG_JSON, a JSON object
}

// InferenceRun holds the settings of a test run or an inference job.
type InferenceRun struct {
	Type                 InferenceType `json:"inference_type"`
	CheckpointPath       string        `json:"checkpoint_path"`
	TestSplit            Split         `json:"test_split"`
	ImagePaths           []string      `json:"image_paths,omitempty"`
	BatchSize            int           `json:"batch_size"`
	ImageSize            int           `json:"image_size"`
	ConfidenceThreshold  float64       `json:"confidence_threshold"`
	IoUThreshold         float64       `json:"iou_threshold"`
	EnableXAI            bool          `json:"enable_xai"`
	XAIMethod            string        `json:"xai_method,omitempty"`
	XAITargetLayers      []string      `json:"xai_target_layers,omitempty"`
	EnableLLMExplanation bool          `json:"enable_llm_explanation"`
	SaveVisualizations   bool          `json:"save_visualizations"`
}

// ExportJob holds the settings of an export job.
type ExportJob struct {
	Format                string  `json:"export_format"`
	CheckpointPath        string  `json:"checkpoint_path"`
	InputSize             [2]int  `json:"input_size"` // height, width in pixels
	OptimizationLevel     int     `json:"optimization_level"`
	IncludePreprocessing  bool    `json:"include_preprocessing"`
	IncludePostprocessing bool    `json:"include_postprocessing"`
	QuantizationType      string  `json:"quantization_type"`
	QuantizationDtype     string  `json:"quantization_dtype"`
	EnableValidation      bool    `json:"enable_validation"`
	ValidationDataset     string  `json:"validation_dataset_id,omitempty"`
	AccuracyDropMax       float64 `json:"accuracy_drop_max"`
}

// Measures reports whether the job is a test run: INFERENCE_TYPE may be set for another
// kind of job too.
func (j Job) Measures() bool {
	return j.Inference != nil && j.Inference.Type == InferenceTestRun
}
