package agent

import (
	"context"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/dataset"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// storeAccess opens the bucket.
type storeAccess struct {
	o      *Options
	counts storage.Counts

	store storage.Store
}

func (s *storeAccess) Start(ctx context.Context) (err error) {
	s.store, err = s.open(ctx, s.o.Config.BucketName)
	return err
}

func (s *storeAccess) Stop(context.Context) error { return nil }

// open opens any bucket that the credentials open.
func (s *storeAccess) open(ctx context.Context, bucket string) (storage.Store, error) {
	if s.store != nil && bucket == s.o.Config.BucketName {
		return s.store, nil
	}
	return storage.Open(ctx, s.config(bucket))
}

func (s *storeAccess) config(bucket string) storage.Config {
	cfg := s.o.Config
	return storage.Config{
		Type: contract.StorageType(cfg.StorageType), Endpoint: string(cfg.S3Endpoint), Region: cfg.Region, Bucket: bucket,
		AccessKeyID: cfg.AccessKeyID, SecretAccessKey: cfg.SecretAccessKey.Reveal(), SessionToken: cfg.SessionToken.Reveal(),
		LocalDir: cfg.LocalBucketDir, CAFile: cfg.CAFile, Getenv: s.o.getenv, Addressing: Addressing(cfg.PathStyle),
		UploadBytesPerSecond: int64(cfg.UploadBandwidth), DownloadBytesPerSecond: int64(cfg.DownloadBandwidth), Log: s.o.Log,
		Counts: &s.counts,
	}
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

// datasetID is the dataset that the job reads: an export that is validated has one
// of its own name.
func datasetID(cfg *config.Config) string {
	if cfg.Job.Type == contract.JobExport {
		if cfg.EnableValidation {
			return cfg.ValidationDatasetID
		}
		return ""
	}
	return cfg.DatasetID
}

// datasetRequest says what to fetch.
func datasetRequest(o *Options, ws job.Workspace) dataset.Request {
	cfg, limits := o.Config, dataset.DefaultLimits
	limits.MaxBytes, limits.MaxFiles = int64(cfg.MaxDatasetBytes), int64(cfg.MaxDatasetFiles)
	return dataset.Request{
		ID: datasetID(cfg), SnapshotID: cfg.SnapshotID, LocalPath: cfg.DatasetPath, Dir: ws.Dataset(),
		CacheDir: cfg.CacheDir, CacheMaxBytes: int64(cfg.CacheMaxBytes), Limits: limits, AnnotatedOnly: cfg.AnnotatedOnly, Log: o.Log,
	}
}

// conversionRequest says what the framework reads.
func conversionRequest(cfg *config.Config, ws job.Workspace) converters.Request {
	r := converters.Request{Task: cfg.Job.Task, Format: cfg.DatasetFormatResolved(), Out: ws.Prepared(), Strict: cfg.StrictDataset}
	if t := cfg.Job.Training; t != nil {
		r.Split = t.SplitStrategy
	}
	if i := cfg.Job.Inference; i != nil && i.Type == contract.InferenceJob {
		r.Format = contract.FormatNone // pictures only, there is nothing to convert
	}
	return r
}

// imageURIs are an inference job's; nil for another.
func imageURIs(cfg *config.Config) []string {
	if cfg.Job.Inference == nil {
		return nil
	}
	return append([]string{}, cfg.Job.Inference.ImagePaths...)
}
