package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/relay"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/resume"
	"github.com/vision-platform/trainer-agent/agent/dataset"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// prepared is everything that was brought in before the child starts.
type prepared struct {
	dataset     *dataset.Dataset
	converted   *converters.Prepared
	weights     dataset.Weights         // without a path when none were asked for
	resume      string                  // path of the checkpoint to continue from
	resumeEpoch int                     // completed epochs that it holds
	earlier     []contract.EpochMetrics // reported up to it
	best        *relay.Best
	checkpoint  string // path of an inference or export job's checkpoint
	images      []string
}

// prepare brings the job's inputs into the workspace: dataset, conversion,
// weights, checkpoint. A request to stop ends it at once.
func (j *job) prepare(parent context.Context) error {
	ctx, release := j.together.whileTogether(parent)
	defer release()
	ctx, cancel := j.Supervisor.WithStop(ctx)
	defer cancel()
	if err := j.openStore(ctx); err != nil {
		return err
	}
	for _, step := range j.steps() {
		j.progress.enter(step.phase)
		if err := step.do(ctx); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
	}
	return nil
}

type step struct {
	phase string
	do    func(context.Context) error
}

// steps is what this kind of job needs.
func (j *job) steps() (list []step) {
	if j.datasetID() != "" || j.cfg.DatasetPath != "" {
		list = append(list, step{phaseDownload, j.fetchDataset}, step{phaseConvert, j.convertDataset})
	}
	if j.cfg.Job.Type == contract.JobTraining {
		return append(list, step{phaseWeights, j.fetchWeights}, step{phaseResume, j.findResume})
	}
	return append(list, step{phaseWeights, j.fetchInputs})
}

func (j *job) openStore(ctx context.Context) (err error) {
	j.store, err = storage.Open(ctx, j.storageConfig(j.cfg.BucketName))
	return err
}

func (j *job) storageConfig(bucket string) storage.Config {
	c := storage.Config{
		Type: contract.StorageType(j.cfg.StorageType), Endpoint: string(j.cfg.S3Endpoint), Region: j.cfg.Region, Bucket: bucket,
		AccessKeyID: j.cfg.AccessKeyID, SecretAccessKey: j.cfg.SecretAccessKey.Reveal(), SessionToken: j.cfg.SessionToken.Reveal(),
		LocalDir: j.cfg.LocalBucketDir, CAFile: j.cfg.CAFile, Getenv: j.getenv,
		UploadBytesPerSecond: int64(j.cfg.UploadBandwidth), DownloadBytesPerSecond: int64(j.cfg.DownloadBandwidth), Log: j.log,
		OnRetry: func() { j.storeRetries.Add(1) },
	}
	c.Addressing = Addressing(j.cfg.PathStyle)
	return c
}

// Addressing reads AGENT_S3_PATH_STYLE.
func Addressing(pathStyle string) storage.Addressing {
	switch pathStyle {
	case "true":
		return storage.AddressPath
	case "false":
		return storage.AddressVirtual
	}
	return storage.AddressAuto
}

// datasetID is the dataset that the job reads: an export that is validated has
// one of its own name.
func (j *job) datasetID() string {
	if j.cfg.Job.Type == contract.JobExport {
		if j.cfg.EnableValidation {
			return j.cfg.ValidationDatasetID
		}
		return ""
	}
	return j.cfg.DatasetID
}

func (j *job) fetchDataset(ctx context.Context) error {
	began := j.Now()
	limits := dataset.DefaultLimits
	limits.MaxBytes, limits.MaxFiles = int64(j.cfg.MaxDatasetBytes), int64(j.cfg.MaxDatasetFiles)
	got, err := dataset.Fetch(ctx, j.store, dataset.Request{
		ID: j.datasetID(), SnapshotID: j.cfg.SnapshotID, LocalPath: j.cfg.DatasetPath, Dir: j.ws.dataset(),
		CacheDir: j.cfg.CacheDir, CacheMaxBytes: int64(j.cfg.CacheMaxBytes), Limits: limits, AnnotatedOnly: j.cfg.AnnotatedOnly,
		Progress: j.progress.transferring, Log: j.log,
	})
	if err != nil {
		return err
	}
	j.prepared.dataset = &got
	if got.MissingCount > 0 {
		j.warn(fmt.Sprintf("The snapshot names %d images that the dataset lacks: %s", got.MissingCount, strings.Join(got.Missing[:min(3, len(got.Missing))], ", ")))
	}
	message := fmt.Sprintf("The dataset is here: %d files, %s", got.Files, contract.Bytes(got.Bytes))
	if got.Local && got.Files == 0 {
		message = "The dataset is used where it lies: " + got.Dir // nobody counted it
	}
	j.emit(contract.EventDatasetDownloaded, message, map[string]any{
		"dataset_id": j.datasetID(), "source": got.Source, "etag": got.ETag, "files": got.Files, "bytes": got.Bytes, "cached": got.Cached, "left_out": got.Junk,
		"seconds": j.since(began), "annotations_sha256": got.AnnotationsSHA256, "images_missing": got.MissingCount,
	})
	return nil
}

func (j *job) convertDataset(ctx context.Context) error {
	began := j.Now()
	r := converters.Request{
		Root: j.prepared.dataset.Dir, Annotations: j.prepared.dataset.AnnotationsPath, Task: j.cfg.Job.Task,
		Format: j.cfg.DatasetFormatResolved(), Out: j.ws.prepared(), Strict: j.cfg.StrictDataset, Names: j.prepared.dataset.Names,
		Progress: func(done, total int) {
			j.progress.transferring(contract.Transfer{What: "conversion", FilesDone: int64(done), FilesTotal: int64(total)})
		},
	}
	if t := j.cfg.Job.Training; t != nil {
		r.Split = t.SplitStrategy
	}
	if i := j.cfg.Job.Inference; i != nil && i.Type == contract.InferenceJob {
		r.Format = contract.FormatNone // pictures only, there is nothing to convert
	}
	out, err := converters.Prepare(ctx, r)
	if err != nil {
		return err
	}
	j.prepared.converted = out
	for _, p := range out.Problems {
		j.warn(p.String())
	}
	j.emit(contract.EventDatasetPrepared, fmt.Sprintf("The dataset is prepared as %s", out.Format), map[string]any{
		"format": out.Format, "splits": out.Splits, "classes": len(out.Classes.Classes), "problems": out.Problems, "seconds": j.since(began),
	})
	return nil
}

func (j *job) fetchWeights(ctx context.Context) error {
	if !j.cfg.WeightURL.Set() {
		return nil
	}
	began := j.Now()
	client, err := storage.HTTPClient(j.storageConfig(j.cfg.BucketName))
	if err != nil {
		return err
	}
	got, err := dataset.FetchWeights(ctx, dataset.WeightsRequest{
		URL: j.cfg.WeightURL.Reveal(), Dir: j.ws.weights(), CacheDir: j.cfg.CacheDir, CacheMaxBytes: int64(j.cfg.CacheMaxBytes), Client: client,
		Progress: j.progress.transferring, Log: j.log,
	})
	if err != nil {
		return err
	}
	j.prepared.weights = got
	j.emit(contract.EventPretrainedDownloaded, "The pretrained weights are here", map[string]any{"cached": got.Cached, "seconds": j.since(began)})
	return nil
}

// findResume looks for what an earlier run of the same job left behind.
func (j *job) findResume(ctx context.Context) error {
	if j.cfg.Resume == "off" {
		return nil
	}
	found, err := resume.Find(ctx, resume.Options{JobID: j.cfg.JobID, Store: j.store, Dir: j.ws.inputs()})
	if err != nil {
		return err
	}
	if found == nil {
		return nil
	}
	for _, s := range found.Skipped {
		j.warn("A checkpoint could not be resumed from: " + s)
	}
	if !found.Found() {
		return nil
	}
	j.prepared.resume, j.prepared.resumeEpoch, j.prepared.earlier = found.Path, found.Epoch, found.History
	j.prepared.best = bestOf(found.History, j.cfg.PrimaryMetric, contract.MetricMode(j.cfg.PrimaryMetricMode))
	j.progress.resumeAt(found.Epoch, found.History)
	j.emit(contract.EventTrainingResumed, fmt.Sprintf("Training continues after epoch %d", found.Epoch),
		map[string]any{"epoch": found.Epoch, "checkpoint_path": found.URI, "bytes": found.Bytes})
	return nil
}

// bestOf is the best epoch of an earlier run, so that is_best goes on truly.
func bestOf(history []contract.EpochMetrics, metric string, mode contract.MetricMode) (best *relay.Best) {
	for _, h := range history {
		value, ok := h.Metrics[metric]
		if ok && value.Finite() && (best == nil || mode.Better(float64(value), best.Value)) {
			best = &relay.Best{Epoch: h.Epoch, Value: float64(value)}
		}
	}
	return best
}

func (j *job) since(began time.Time) float64 { return j.Now().Sub(began).Seconds() }

func (j *job) getenv(name string) string {
	for _, pair := range j.Environ {
		if len(pair) > len(name) && pair[len(name)] == '=' && pair[:len(name)] == name {
			return pair[len(name)+1:]
		}
	}
	return ""
}

// environment is what the child gets of all this (contract, section 3).
func (p prepared) environment(ws workspace) map[string]string {
	env := map[string]string{"OUTPUT_DIR": ws.output(), "CHECKPOINT_DIR": ws.checkpoints()}
	if p.dataset != nil {
		env["DATASET_DIR"], env["ANNOTATIONS_PATH"] = p.dataset.Dir, p.dataset.AnnotationsPath
	}
	if c := p.converted; c != nil {
		names := make([]string, 0, len(c.Classes.Classes))
		for _, class := range c.Classes.Classes {
			names = append(names, class.Name)
		}
		list, _ := json.Marshal(names) // strings always encode
		env["DATASET_DIR"], env["DATASET_CONFIG"], env["DATASET_FORMAT"] = c.Dir, c.Config, string(c.Format)
		env["ANNOTATIONS_PATH"] = c.Annotations
		env["NUM_CLASSES"], env["CLASS_NAMES"] = strconv.Itoa(len(names)), string(list)
	}
	if dir := env["DATASET_DIR"]; dir != "" {
		env["DATASET_URI"] = "file://" + dir
	}
	if p.resume != "" {
		env["RESUME_EPOCH"] = strconv.Itoa(p.resumeEpoch)
	}
	optional := map[string]string{"PRETRAINED_WEIGHTS": p.weights.Path, "RESUME_CHECKPOINT": p.resume, "CHECKPOINT_FILE": p.checkpoint}
	for name, value := range optional {
		if value != "" {
			env[name] = value
		}
	}
	if p.images != nil {
		list, _ := json.Marshal(p.images)
		env["IMAGE_FILES"] = string(list)
	}
	return env
}
