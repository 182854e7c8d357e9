package config

import (
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// orientedSuffix ends the names of Ultralytics' detectors of rotated boxes.
const orientedSuffix = "-obb"

// NeededDataset is the dataset that the job reads: that of an export has a name of its
// own. It is validated and calibrated on it, and compared with the original.
func NeededDataset(cfg *Config) string {
	if cfg.Job.Type == contract.JobExport {
		return cfg.ValidationDatasetID
	}
	return cfg.DatasetID
}

// NeededFormat says what the framework reads, below the folder out.
func NeededFormat(cfg *Config, out string) converters.Request {
	r := converters.Request{Task: cfg.Job.Task, Format: cfg.DatasetFormatResolved(), Framework: cfg.Framework, Out: out, Strict: cfg.StrictDataset}
	if strings.HasSuffix(cfg.Job.Model, orientedSuffix) {
		KeepOutlines(&r)
	}
	r.Split = cfg.SplitStrategy.SplitStrategy // of a test run too: it must not measure on what was trained with
	if i := cfg.Job.Inference; i != nil {
		r.Measured = i.Type == contract.InferenceTestRun
		if i.Type == contract.InferenceJob {
			r.Format = contract.FormatNone // pictures only, there is nothing to convert
		}
	}
	return r
}

// KeepOutlines has a detector of rotated boxes read outlines: the smallest rotated box
// around one is the reader's to find.
func KeepOutlines(r *converters.Request) {
	if r.Task == contract.TaskObjectDetection && r.Format == contract.FormatYOLO {
		r.Task = contract.TaskInstanceSegmentation
	}
}

// TakesPictures reports whether the images of the job are those of its dataset.
func TakesPictures(cfg *Config) bool {
	i := cfg.Job.Inference
	return i != nil && i.Type == contract.InferenceJob && len(i.ImagePaths) == 0 && (NeededDataset(cfg) != "" || cfg.DatasetPath != "")
}

// NeededImages are the addresses of an inference job's images; nil for another.
func NeededImages(cfg *Config) []string {
	if cfg.Job.Inference == nil {
		return nil
	}
	return cfg.Job.Inference.ImagePaths
}

// NeededParts is where the results so far of an earlier run of an inference job are;
// empty for a job that does not go on, as a test run, which measures in one pass.
func NeededParts(cfg *Config) string {
	if i := cfg.Job.Inference; i == nil || i.Type != contract.InferenceJob || cfg.Resume == "off" {
		return ""
	}
	return contract.OutputPrefix(cfg.Job)
}

// BackendToken reads the callback token; the one in a file is read each time, because
// it may be replaced. variable is where it comes from.
func BackendToken(cfg *Config) (variable string, read func() (string, error)) {
	if cfg.TokenFile != "" {
		return "CALLBACK_TOKEN_FILE", func() (string, error) { return ReadSecretFile(cfg.TokenFile) }
	}
	return "CALLBACK_TOKEN", func() (string, error) { return cfg.CallbackToken.Reveal(), nil }
}
