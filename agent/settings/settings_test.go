package settings

import (
	"log/slog"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/contract"
)

// of reads a training's settings from the environment, as the agent does.
func of(t *testing.T, environ map[string]string) *config.Config {
	t.Helper()
	for name, value := range map[string]string{
		"JOB_ID": "job-1", "BACKEND_BASE_URL": "https://backend.test", "CALLBACK_TOKEN": "the-callback-token", "TASK_TYPE": "object_detection",
		"MODEL_NAME": "yolo11n", "FRAMEWORK": "ultralytics", "DATASET_ID": "d-1", "EPOCHS": "3", "WORKSPACE_DIR": t.TempDir(),
		"STORAGE_TYPE": "minio", "S3_ENDPOINT": "http://minio:9000", "BUCKET_NAME": "vision-platform", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "the-secret-access-key",
	} {
		t.Setenv(name, value)
	}
	for name, value := range environ {
		t.Setenv(name, value)
	}
	cfg, problems := config.Load()
	if failure := config.Failure(problems); failure != nil {
		t.Fatal(failure)
	}
	return cfg
}

var silent = slog.New(slog.DiscardHandler)

func TestTheBucketIsReachedAsTheEnvironmentSays(t *testing.T) {
	cfg := of(t, map[string]string{"AGENT_S3_PATH_STYLE": "true", "AGENT_UPLOAD_BANDWIDTH": "1MiB"})
	got := Bucket(cfg, []string{"HTTPS_PROXY=http://proxy:1"}, silent)
	if got.Type != contract.StorageMinIO || got.Endpoint != "http://minio:9000" || got.Bucket != "vision-platform" || got.SecretAccessKey != "the-secret-access-key" ||
		got.Addressing != storage.AddressPath || got.UploadBytesPerSecond != 1<<20 || got.Getenv("HTTPS_PROXY") != "http://proxy:1" || got.Counts == nil {
		t.Errorf("%+v", got)
	}
}

func TestWeightsOfTheModelAreForTrainingsThatStartFromSome(t *testing.T) {
	for name, c := range map[string]struct {
		environ map[string]string
		model   string
	}{
		"as it comes":  {nil, "yolo11n"},
		"from nothing": {map[string]string{"PRETRAINED": "false"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			library, request := Weights(of(t, c.environ), job.Workspace{Root: "/ws"}, silent)
			if library.Model != c.model || library.Framework != "ultralytics" || request.Dir != "/ws/weights" {
				t.Errorf("%+v, %+v", library, request)
			}
		})
	}
}

func TestWithoutABackendThereIsNobodyToTell(t *testing.T) {
	cfg := of(t, nil)
	if !Tellable(cfg) {
		t.Error("a whole configuration has nobody to tell")
	}
	backend, secrets := Backend(cfg)
	token, err := backend.Token.Read()
	if token != "the-callback-token" || err != nil || backend.Token.Variable != "CALLBACK_TOKEN" || len(secrets) != 1 || secrets[0] != "the-secret-access-key" {
		t.Errorf("%q %v of %s, %d secrets", token, err, backend.Token.Variable, len(secrets))
	}
	cfg.BaseURL = ""
	if Tellable(cfg) {
		t.Error("without an address somebody is told")
	}
}

func TestWhatTheDiagnosisAndTheUploadsKnowOfTheSettings(t *testing.T) {
	cfg := of(t, map[string]string{"BATCH_SIZE": "8", "MAX_TRAINING_TIME_SECONDS": "60", "CHECKPOINT_FREQUENCY": "2", "AGENT_KEEP_CHECKPOINTS": "5", "AGENT_RESUME": "off"})
	if d := Diagnosis(cfg); d.BatchSize != 8 || d.MaxTrainingTime != time.Minute {
		t.Errorf("%+v", d)
	}
	o := Checkpoints(cfg, job.Workspace{Root: "/ws"})
	if o.Dir != "/ws/runs" || o.Frequency != 2 || o.Keep != 5 || !o.Fresh || o.Epochs != 3 || o.OutputPrefix != "" {
		t.Errorf("%+v", o)
	}
	if n := Nodes(cfg, "host", silent); n.Nodes > 1 || n.Host != "host" || n.JobID != "job-1" {
		t.Errorf("%+v", n)
	}
	if got := Dataset(cfg, job.Workspace{Root: "/ws"}, silent); got.ID != "d-1" || got.Dir != "/ws/dataset" || got.Limits.MaxFiles == 0 {
		t.Errorf("%+v", got)
	}
}
