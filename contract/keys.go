package contract

import (
	"fmt"
	"path"
	"strings"
)

// Object keys of section 5 of the contract, all relative to BUCKET_NAME.

// DatasetZipKey is the dataset as one archive.
func DatasetZipKey(dataset string) string { return "datasets/" + dataset + ".zip" }

// DatasetPrefix is the dataset as a folder of objects; it ends in a slash.
func DatasetPrefix(dataset string) string { return "datasets/" + dataset + "/" }

// WeightsPrefix is the pretrained weights of a model with their card; it ends in a
// slash.
func WeightsPrefix(framework, model string) string { return "weights/" + framework + "/" + model + "/" }

// SnapshotKey is the frozen annotations of a dataset.
func SnapshotKey(dataset, snapshot string) string {
	return "datasets/" + dataset + "/snapshots/" + snapshot + ".json"
}

// CheckpointPrefix is the folder of a job's checkpoints; it ends in a slash.
func CheckpointPrefix(job string) string { return "checkpoints/job-" + job + "/" }

// CheckpointKey is one checkpoint file of a job.
func CheckpointKey(job, name string) string { return CheckpointPrefix(job) + name }

// ManifestKey is the list of a job's complete checkpoints.
func ManifestKey(job string) string { return CheckpointPrefix(job) + "manifest.json" }

// TrainingLogKey is the child's output.
func TrainingLogKey(job string) string { return "logs/job-" + job + "/training.log" }

// NodeLogKey is the output of the child on one of several machines; node 0 has
// TrainingLogKey.
func NodeLogKey(job string, rank int) string {
	if rank == 0 {
		return TrainingLogKey(job)
	}
	return fmt.Sprintf("logs/job-%s/training-node-%d.log", job, rank)
}

// EventFileKey is an event file of TensorBoard; each life of a job has its own.
func EventFileKey(job, name string) string { return "logs/job-" + job + "/tensorboard/" + name }

// ImageResultsKey is the per-image result of one validation.
func ImageResultsKey(job string, epoch int) string {
	return fmt.Sprintf("validation-results/job-%s/epoch-%d/images.json", job, epoch)
}

// ResultKey is the job's outcome.
func ResultKey(job string) string { return "jobs/" + job + "/result.json" }

// ClassesKey is the classes that a training learnt, as classes.json of its prepared
// dataset: a checkpoint has their names, not the platform's ids.
func ClassesKey(job string) string { return "jobs/" + job + "/classes.json" }

// JobOfCheckpoint is the job that a checkpoint's key belongs to; false for one that
// lies elsewhere.
func JobOfCheckpoint(key string) (job string, ok bool) {
	rest, ok := strings.CutPrefix(key, "checkpoints/job-")
	job, _, found := strings.Cut(rest, "/")
	return job, ok && found && job != ""
}

// RunMarkerKey is what one of the job's machines leaves while it runs, for the run
// after one that was killed.
func RunMarkerKey(job string, rank int) string {
	if rank == 0 {
		return "jobs/" + job + "/life.json"
	}
	return fmt.Sprintf("jobs/%s/life-node-%d.json", job, rank)
}

// UndeliveredKey is the outbox of a job whose backend could not be reached.
func UndeliveredKey(job string) string { return "jobs/" + job + "/undelivered.jsonl" }

// OutputPrefix is where the output of an inference or export job goes; it ends
// in a slash and is empty for a training job.
func OutputPrefix(j Job) string {
	switch {
	case j.Type == JobExport:
		return "export-jobs/" + j.ID + "/"
	case j.Type == JobInference && j.Inference != nil && j.Inference.Type == InferenceTestRun:
		return "test-runs/" + j.ID + "/"
	case j.Type == JobInference:
		return "inference-jobs/" + j.ID + "/"
	}
	return ""
}

// URI joins a bucket and a key to "s3://bucket/key".
func URI(bucket, key string) string { return "s3://" + bucket + "/" + key }

// ParseURI splits "s3://bucket/key".
func ParseURI(uri string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(uri, "s3://")
	bucket, key, found := strings.Cut(rest, "/")
	if !ok || !found || bucket == "" || key == "" || path.Clean("/"+key) != "/"+strings.TrimSuffix(key, "/") {
		return "", "", fmt.Errorf("%q is not an object's address, for example s3://vision-platform/checkpoints/job-1/best.pt", uri)
	}
	return bucket, key, nil
}

// ObjectInfo is what a store says of an object.
type ObjectInfo struct {
	Key  string `json:"key"`
	Size int64  `json:"size"` // bytes
	ETag string `json:"etag"` // opaque, quotes kept
}

// OwnsKey reports whether an object belongs to the job: its checkpoints, logs,
// validation results, output and records.
func OwnsKey(job, key string) bool {
	for _, prefix := range []string{
		CheckpointPrefix(job), "logs/job-" + job + "/", "validation-results/job-" + job + "/",
		"test-runs/" + job + "/", "inference-jobs/" + job + "/", "export-jobs/" + job + "/", "jobs/" + job + "/",
	} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// CheckPath holds a path of a callback against the job: one on disk, or the address
// of an object of the job's own. Empty is none.
func CheckPath(job, text string) error {
	if !strings.Contains(text, "://") || strings.HasPrefix(text, "file://") {
		return nil
	}
	_, key, err := ParseURI(text)
	if err != nil {
		return err
	}
	if !OwnsKey(job, key) {
		return fmt.Errorf("%s is no object of job %s; give a path below OUTPUT_DIR, or leave it out", excerpt(text), job)
	}
	return nil
}
