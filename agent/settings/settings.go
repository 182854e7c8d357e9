// Package settings says what the settings of a job mean to each room: the part of a
// room's options that the environment decides.
//
// It promises to be pure: the same settings give the same options, and nothing is opened
// or asked. What a room needs of a running job (a store, a tracker, a clock of its own)
// is added by agent/stages.go.
package settings

import (
	"log/slog"
	"os"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox"
	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	"github.com/vision-platform/trainer-agent/agent/cluster"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/diagnose"
	"github.com/vision-platform/trainer-agent/agent/internal/httpx"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/process/training"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/contract"
)

// Bucket is where the job's files are. environ has the proxies.
func Bucket(cfg *config.Config, environ []string, log *slog.Logger) storage.Config {
	return storage.Config{
		Type: contract.StorageType(cfg.StorageType), Endpoint: string(cfg.S3Endpoint), Region: cfg.Region, Bucket: cfg.BucketName,
		AccessKeyID: cfg.AccessKeyID, SecretAccessKey: cfg.SecretAccessKey.Reveal(), SessionToken: cfg.SessionToken.Reveal(),
		LocalDir: cfg.LocalBucketDir, CAFile: cfg.CAFile, Getenv: httpx.Getenv(environ), Addressing: storage.AddressingOf(cfg.PathStyle),
		UploadBytesPerSecond: int64(cfg.UploadBandwidth), DownloadBytesPerSecond: int64(cfg.DownloadBandwidth), Log: log,
		Counts: new(storage.Counts), Apart: cfg.RunAs != nil && int(cfg.RunAs.UID) != os.Geteuid(),
	}
}

// Nodes is this machine's place in a job on several.
func Nodes(cfg *config.Config, host string, log *slog.Logger) cluster.Options {
	_, key := config.BackendToken(cfg)
	return cluster.Options{
		JobID: cfg.JobID, Rank: cfg.NodeRank, Nodes: cfg.Nodes, Host: host, Address: cluster.Address(cfg.NodeRank, cfg.MasterAddr, cfg.NodePort),
		Key: key, Timeout: cfg.NodeTimeout, Wait: cfg.NodeWait, Log: log,
	}
}

// Backend is whom the callbacks are for. The other secrets that the script cannot reach
// open the outbox's files too.
func Backend(cfg *config.Config) (backend outbox.Backend, secrets []string) {
	variable, read := config.BackendToken(cfg)
	backend = outbox.Backend{URL: string(cfg.BaseURL), Token: outbox.Token{Variable: variable, Read: read}, CAFile: cfg.CAFile, Getenv: os.Getenv}
	return backend, []string{cfg.SecretAccessKey.Reveal()}
}

// Tellable reports whether the settings say whom to tell of the job.
func Tellable(cfg *config.Config) bool {
	return cfg.BaseURL != "" && cfg.CallbackToken.Set() && cfg.Named()
}

// Checkpoints says which files go up, and which stay there.
func Checkpoints(cfg *config.Config, ws job.Workspace) checkpoints.Options {
	return checkpoints.Options{
		Dir: ws.Output(), ScratchDir: ws.Private().Scratch(), JobID: cfg.JobID, OutputPrefix: contract.OutputPrefix(cfg.Job), Whole: cfg.Job.Type == contract.JobExport,
		Retention: checkpoints.Retention{Epochs: cfg.Epochs, Frequency: cfg.CheckpointFrequency, Keep: cfg.KeepCheckpoints, Fresh: cfg.Resume == "off"},
		Pace:      checkpoints.Pace{Concurrency: cfg.UploadConcurrency, FlushTimeout: cfg.FlushTimeout},
	}
}

// Child is the training's process: its command, run as AGENT_RUN_AS, with what is left
// of the environ and with what it is given.
func Child(cfg *config.Config, ws job.Workspace, args, environ []string, given map[string]string) (process.Spec, error) {
	c := training.Command{Args: args, Workspace: ws, RunAs: runAs(cfg)}
	if home, ours := ws.HomeFor(httpx.Getenv(environ)("HOME"), cfg.RunAs != nil); ours {
		given["HOME"] = home
	}
	env, err := ws.Shorten(cfg.ChildEnviron(environ, given))
	if err != nil {
		return process.Spec{}, err
	}
	return c.Spec(env)
}

// Diagnosis is what a failure may be blamed on.
func Diagnosis(cfg *config.Config) diagnose.Settings {
	return diagnose.Settings{
		Node: cfg.NodeName, Device: cfg.Device, BatchSize: cfg.BatchSize, NumWorkers: cfg.NumWorkers, ImageSize: cfg.ImageSize, LearningRate: cfg.LearningRate,
		MaxTrainingTime: cfg.TimeLimit(), HangTimeout: cfg.HangTimeout,
	}
}
