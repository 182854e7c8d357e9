package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// resolve fills what follows from other variables.
func (c *Config) resolve() {
	if c.TraceID == "" {
		c.TraceID = newTraceID(c.JobID)
	}
	if c.JobType == "" {
		c.JobType = string(c.inferJobType())
	}
	if c.StorageType == "r2" {
		c.resolveR2()
	}
	if c.LocalBucketDir == "" {
		c.LocalBucketDir = filepath.Join(c.WorkspaceDir, "bucket")
	}
	if c.PrimaryMetric == "" {
		c.PrimaryMetric = contract.TaskType(c.TaskType).PrimaryMetric()
	}
	if !c.set["NODE_RANK"] && c.set["JOB_COMPLETION_INDEX"] {
		c.NodeRank = c.CompletionIndex
	}
	if c.Device == "" {
		c.Device = defaultDevice()
	}
}

func (c *Config) inferJobType() contract.JobType {
	switch {
	case c.set["INFERENCE_TYPE"]:
		return contract.JobInference
	case c.set["EXPORT_FORMAT"]:
		return contract.JobExport
	}
	return contract.JobTraining
}

func (c *Config) resolveR2() {
	if c.S3Endpoint == "" {
		c.S3Endpoint = c.R2Endpoint
	}
	if c.AccessKeyID == "" {
		c.AccessKeyID = c.R2AccessKeyID
	}
	if !c.SecretAccessKey.Set() {
		c.SecretAccessKey = c.R2SecretAccessKey
	}
	if c.Region == "" {
		c.Region = "auto"
	}
}

// A GPU is visible when the driver's control device is there and the runtime
// has not hidden it.
func defaultDevice() string {
	switch os.Getenv("NVIDIA_VISIBLE_DEVICES") {
	case "void", "none":
		return "cpu"
	}
	if _, err := os.Stat("/dev/nvidiactl"); err == nil {
		return "cuda"
	}
	return "cpu"
}

// DatasetFormatResolved is AGENT_DATASET_FORMAT with auto decided by framework
// and task.
func (c *Config) DatasetFormatResolved() contract.DatasetFormat {
	if f := contract.DatasetFormat(c.DatasetFormat); f != contract.FormatAuto {
		return f
	}
	return contract.ResolveFormat(c.Framework, contract.TaskType(c.TaskType))
}

// Secrets lists every secret value, for masking.
func (c *Config) Secrets() []string {
	var list []string
	for _, s := range []Secret{c.CallbackToken, c.SecretAccessKey, c.R2SecretAccessKey, c.SessionToken, c.WeightURL, c.OpenAIKey} {
		if s.Set() {
			list = append(list, s.Reveal())
		}
	}
	return list
}

func (c *Config) job() contract.Job {
	j := contract.Job{
		ID: c.JobID, TraceID: c.TraceID, Type: contract.JobType(c.JobType), Task: contract.TaskType(c.TaskType),
		Framework: c.Framework, Model: c.ModelName, Dataset: c.DatasetID, Snapshot: c.SnapshotID,
		Device: c.Device, Workers: c.NumWorkers,
	}
	switch j.Type {
	case contract.JobInference:
		j.Inference = c.inference()
	case contract.JobExport:
		j.Export = c.export()
	default:
		j.Training = c.training()
	}
	return j
}

func (c *Config) training() *contract.TrainingJob {
	return &contract.TrainingJob{
		Epochs: c.Epochs, BatchSize: c.BatchSize, LearningRate: c.LearningRate, ImageSize: c.ImageSize,
		SplitStrategy: c.SplitStrategy.SplitStrategy, CheckpointFrequency: c.CheckpointFrequency,
		MaxTrainingTime: time.Duration(c.MaxTrainingSeconds) * time.Second,
		PrimaryMetric:   c.PrimaryMetric, PrimaryMetricMode: contract.MetricMode(c.PrimaryMetricMode),
		Config: json.RawMessage(c.ConfigJSON),
	}
}

func (c *Config) inference() *contract.InferenceRun {
	return &contract.InferenceRun{
		Type: contract.InferenceType(c.InferenceType), CheckpointPath: c.CheckpointPath, TestSplit: contract.Split(c.TestSplit),
		ImagePaths: c.ImagePaths, BatchSize: c.BatchSize, ImageSize: c.ImageSize,
		ConfidenceThreshold: c.ConfidenceThreshold, IoUThreshold: c.IoUThreshold,
		EnableXAI: c.EnableXAI, XAIMethod: c.XAIMethod, XAITargetLayers: c.XAITargetLayers,
		EnableLLMExplanation: c.EnableLLMExplanation, SaveVisualizations: c.SaveVisualizations,
	}
}

func (c *Config) export() *contract.ExportJob {
	return &contract.ExportJob{
		Format: c.ExportFormat, CheckpointPath: c.CheckpointPath, InputSize: c.InputSize, OptimizationLevel: c.OptimizationLevel,
		IncludePreprocessing: c.IncludePreprocessing, IncludePostprocessing: c.IncludePostprocessing,
		QuantizationType: c.QuantizationType, QuantizationDtype: c.QuantizationDtype,
		EnableValidation: c.EnableValidation, ValidationDataset: c.ValidationDatasetID, AccuracyDropMax: c.AccuracyDropMax,
	}
}

// needs reports whether the job at hand requires v.
func (c *Config) needs(v variable) bool {
	for _, n := range v.need {
		switch n {
		case "always", c.JobType, c.InferenceType:
			return true
		case "minio":
			if c.StorageType == n {
				return true
			}
		case "local": // an export, and an inference job with IMAGE_PATHS, read no dataset
			if c.StorageType == n && (c.JobType == string(contract.JobTraining) || c.InferenceType == string(contract.InferenceTestRun)) {
				return true
			}
		}
	}
	return false
}

// missing reports the required variables that are not there.
func (c *Config) missing(known []Problem) (problems []Problem) {
	for _, v := range variables() {
		reported := func(p Problem) bool { return p.Variable == v.name || p.Variable == v.name+"_FILE" }
		if c.set[v.name] || !c.needs(v) || slices.ContainsFunc(known, reported) {
			continue
		}
		if v.name == "DATASET_ID" && c.set["DATASET_PATH"] {
			continue
		}
		problems = append(problems, Problem{Variable: v.name, Expected: v.expected(), Example: v.example})
	}
	return problems
}

// Named reports whether JOB_ID is usable, so that a failure can be told to the
// backend even when other variables are wrong.
func (c *Config) Named() bool {
	for _, v := range variables() {
		if v.name == "JOB_ID" {
			return v.pattern().MatchString(c.JobID) && strings.Trim(c.JobID, ".") != ""
		}
	}
	return false
}
