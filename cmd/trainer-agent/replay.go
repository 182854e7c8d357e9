package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/agent/telemetry"
	"github.com/vision-platform/trainer-agent/agent/ui"
	"github.com/vision-platform/trainer-agent/contract"
)

// ReplayCmd delivers undelivered.jsonl.
type ReplayCmd struct {
	Job  string `placeholder:"ID" help:"Whose messages to send. Default: the job in the name of --from (jobs/ID/undelivered.jsonl), else JOB_ID."`
	From string `required:"" placeholder:"FILE|s3://…" complete:"files" help:"What an earlier run left: a file, an object's address, or - for standard input."`
}

// Help is shown below the flags.
func (ReplayCmd) Help() string {
	return `Examples:
  trainer-agent replay --job JOB_ID --from undelivered.jsonl
  trainer-agent replay --from s3://vision-platform/jobs/JOB_ID/undelivered.jsonl

Takes BACKEND_BASE_URL and CALLBACK_TOKEN (and the store's variables for an
object) from the environment. Every message keeps its Idempotency-Key, so it is
safe to run twice. Only the messages of one job are sent.`
}

// Run delivers.
func (c ReplayCmd) Run() error {
	cfg, problems := config.Load()
	if f := replayProblems(problems); f != nil {
		return f
	}
	job, err := c.job(cfg)
	if err != nil {
		return err
	}
	ctx := context.Background()
	in, err := c.open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	log := telemetry.NewLogger(os.Stderr, telemetry.LogOptions{Handler: lines(ui.Color(os.Stderr, os.Getenv), false), Level: cfg.LogLevel, Secrets: cfg.Secrets()})
	summary, err := outbox.Replay(ctx, in, outbox.Options{
		JobID: job, TraceID: cfg.TraceID, Logger: log,
		Backend: outbox.Backend{
			URL: string(cfg.BaseURL), CAFile: cfg.CAFile, Getenv: os.Getenv,
			Token: outbox.Token{Read: func() (string, error) { return cfg.CallbackToken.Reveal(), nil }, Variable: "CALLBACK_TOKEN"},
		},
	})
	fmt.Printf("%d delivered, %d refused\n", summary.Delivered, len(summary.Rejected))
	for _, key := range summary.Rejected {
		fmt.Println("refused:", key)
	}
	for _, key := range summary.Foreign {
		fmt.Printf("not sent, it is not of job %s: %s\n", job, key)
	}
	if err == nil && summary.Delivered+len(summary.Rejected)+len(summary.Foreign) == 0 {
		return contract.Failf(contract.CodeConfigInvalid, "--from %s has no messages.", c.From).
			WithHint("An export is never empty: give the undelivered.jsonl of the run that ended with code %d.", contract.ExitUndelivered)
	}
	if err == nil && len(summary.Rejected)+len(summary.Foreign) > 0 {
		return exitCode(contract.ExitUndelivered)
	}
	return err
}

// exportName is how an export is named in the bucket, with the job's id in it.
var exportName = regexp.MustCompile(`(?:^|/)jobs/([A-Za-z0-9._-]{1,128})/undelivered\.jsonl$`)

// job is whose messages are sent: never whatever job a line of the file names.
func (c ReplayCmd) job(cfg *config.Config) (string, error) {
	if c.Job != "" {
		return c.Job, nil
	}
	if found := exportName.FindStringSubmatch(c.From); found != nil {
		return found[1], nil
	}
	if cfg.Named() {
		return cfg.JobID, nil
	}
	return "", contract.Failf(contract.CodeConfigInvalid, "--from %s does not say whose messages it has.", c.From).
		WithHint("Add --job JOB_ID.")
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
	return config.Failure(ours)
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
		LocalDir: cfg.LocalBucketDir, CAFile: cfg.CAFile, Addressing: storage.AddressingOf(cfg.PathStyle), Getenv: os.Getenv,
	})
	if err != nil {
		return nil, err
	}
	body, _, err := store.Get(ctx, key, 0, -1, "")
	if errors.Is(err, fs.ErrNotExist) { // another try would not find it either
		return nil, contract.Failf(contract.CodeConfigInvalid, "--from %s: there is no such object.", c.From).
			WithHint("The line \"deliver with\" at the end of the run's log has the address.")
	}
	return body, err
}
