package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/vision-platform/trainer-agent/agent"
	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/agent/telemetry"
	"github.com/vision-platform/trainer-agent/contract"
)

// ReplayCmd delivers undelivered.jsonl.
type ReplayCmd struct {
	From string `required:"" placeholder:"FILE|s3://…" complete:"files" help:"What an earlier run left: a file, an object's address, or - for standard input."`
}

// Help is shown below the flags.
func (ReplayCmd) Help() string {
	return `Examples:
  trainer-agent replay --from undelivered.jsonl
  trainer-agent replay --from s3://vision-platform/jobs/JOB_ID/undelivered.jsonl

Takes BACKEND_BASE_URL and CALLBACK_TOKEN (and the store's variables for an
object) from the environment. Every message keeps its Idempotency-Key, so it is
safe to run twice.`
}

// Run delivers.
func (c ReplayCmd) Run() error {
	cfg, problems := config.Load()
	if f := replayProblems(problems); f != nil {
		return f
	}
	ctx := context.Background()
	in, err := c.open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	log := telemetry.NewLogger(os.Stderr, telemetry.LogOptions{Format: "text", Level: cfg.LogLevel, Secrets: cfg.Secrets()})
	summary, err := outbox.Replay(ctx, in, outbox.Options{
		JobID: cfg.JobID, TraceID: cfg.TraceID, BaseURL: string(cfg.BaseURL), CAFile: cfg.CAFile, Getenv: os.Getenv, Logger: log,
		Token: func() (string, error) { return cfg.CallbackToken.Reveal(), nil },
	})
	fmt.Printf("%d delivered, %d refused\n", summary.Delivered, len(summary.Rejected))
	for _, key := range summary.Rejected {
		fmt.Println("refused:", key)
	}
	if err == nil && len(summary.Rejected) > 0 {
		return exitCode(contract.ExitUndelivered)
	}
	return err
}

// replayProblems keeps what concerns the backend and the store: a replay has no
// dataset and no epochs.
func replayProblems(all []config.Problem) error {
	var ours []config.Problem
	for _, p := range all {
		if p.Variable == "BACKEND_BASE_URL" || strings.HasPrefix(p.Variable, "CALLBACK_TOKEN") || p.Variable == "AGENT_CA_FILE" {
			ours = append(ours, p)
		}
	}
	if f := config.Failure(ours); f != nil {
		return f
	}
	return nil
}

func (c ReplayCmd) open(ctx context.Context, cfg *config.Config) (io.ReadCloser, error) {
	if c.From == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	if !strings.HasPrefix(c.From, "s3://") {
		f, err := os.Open(strings.TrimPrefix(c.From, "file://")) // the address that a local bucket gives
		if err != nil {
			return nil, fmt.Errorf("opening what is to be replayed: %w", err)
		}
		return f, nil
	}
	bucket, key, err := contract.ParseURI(c.From)
	if err != nil {
		return nil, err
	}
	store, err := storage.Open(ctx, storage.Config{
		Type: contract.StorageType(cfg.StorageType), Endpoint: string(cfg.S3Endpoint), Region: cfg.Region, Bucket: bucket,
		AccessKeyID: cfg.AccessKeyID, SecretAccessKey: cfg.SecretAccessKey.Reveal(), SessionToken: cfg.SessionToken.Reveal(),
		LocalDir: cfg.LocalBucketDir, CAFile: cfg.CAFile, Addressing: agent.Addressing(cfg.PathStyle), Getenv: os.Getenv,
	})
	if err != nil {
		return nil, err
	}
	body, _, err := store.Get(ctx, key, 0, -1, "")
	return body, err
}
