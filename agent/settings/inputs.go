package settings

import (
	"log/slog"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/dataset"
	"github.com/vision-platform/trainer-agent/agent/job"
)

// Dataset says what to fetch.
func Dataset(cfg *config.Config, ws job.Workspace, log *slog.Logger) dataset.Request {
	limits := dataset.DefaultLimits
	limits.MaxBytes, limits.MaxFiles = int64(cfg.MaxDatasetBytes), int64(cfg.MaxDatasetFiles)
	return dataset.Request{
		ID: config.NeededDataset(cfg), SnapshotID: cfg.SnapshotID, LocalPath: cfg.DatasetPath, Dir: ws.Dataset(),
		CacheDir: cfg.CacheDir, CacheMaxBytes: int64(cfg.CacheMaxBytes), Limits: limits, AnnotatedOnly: cfg.AnnotatedOnly, Log: log,
		CacheGuard: dataset.Guard{Secret: cfg.SecretAccessKey.Reveal()},
	}
}

// Weights says which pretrained weights to fetch: those at the address, else the
// library's for the model, if the training is to start from any.
func Weights(cfg *config.Config, ws job.Workspace, log *slog.Logger) (dataset.Library, dataset.WeightsRequest) {
	library := dataset.Library{Framework: cfg.Framework, Dir: cfg.WeightsDir}
	if cfg.Pretrained && cfg.Job.Training != nil {
		library.Model = cfg.ModelName
	}
	return library, dataset.WeightsRequest{
		URL: cfg.WeightURL.Reveal(), Dir: ws.Weights(), CacheDir: cfg.CacheDir, CacheMaxBytes: int64(cfg.CacheMaxBytes), Log: log,
		CacheGuard: dataset.Guard{Secret: cfg.SecretAccessKey.Reveal()},
	}
}
