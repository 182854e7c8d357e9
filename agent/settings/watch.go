package settings

import (
	"strconv"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/completions"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/monitor/gpu"
	"github.com/vision-platform/trainer-agent/agent/monitor/resources"
	"github.com/vision-platform/trainer-agent/agent/telemetry/trackers"
)

// Resources is what is watched of the container, and for what kind of training.
func Resources(cfg *config.Config, ws job.Workspace) resources.Options {
	return resources.Options{Workspace: ws.Root, Framework: cfg.Framework, NumWorkers: cfg.NumWorkers, BatchSize: cfg.BatchSize, ImageSize: cfg.ImageSize}
}

// GPUs is which probe asks the driver, and how its XIDs are judged.
func GPUs(cfg *config.Config, environ []string) gpu.Options {
	return gpu.Options{ProbePath: gpu.FindProbe(cfg.GPUProbe), Env: environ, XIDFatal: cfg.XIDFatal, XIDIgnore: cfg.XIDIgnore}
}

// Completions is which language model puts explanations into words, and for how much.
func Completions(cfg *config.Config) completions.Options {
	return completions.Options{
		BaseURL: string(cfg.OpenAIBaseURL), Key: cfg.OpenAIKey.Reveal(), Model: cfg.OpenAIModel,
		Limits: completions.Limits{Calls: cfg.LLMMaxCalls, Tokens: int64(cfg.LLMMaxTokens), Cost: cfg.LLMMaxCost, InputPrice: cfg.LLMInputPrice, OutputPrice: cfg.LLMOutputPrice},
	}
}

// Run describes the job to a tracker of metrics.
func Run(cfg *config.Config, started time.Time) trackers.Run {
	return trackers.Run{
		JobID: cfg.JobID, Started: started,
		Tags: map[string]string{"trainer.trace_id": cfg.TraceID, "trainer.task_type": cfg.TaskType, "trainer.framework": cfg.Framework},
		Params: map[string]string{
			"model": cfg.ModelName, "dataset": cfg.DatasetID, "epochs": strconv.Itoa(cfg.Epochs), "batch_size": strconv.Itoa(cfg.BatchSize),
			"config": string(cfg.ConfigJSON),
		},
	}
}

// Labels are what a trace says of the job.
func Labels(cfg *config.Config) map[string]string {
	return map[string]string{
		"trainer.job_id": cfg.JobID, "trainer.job_type": cfg.JobType, "trainer.framework": cfg.Framework,
		"trainer.model": cfg.ModelName, "trainer.task_type": cfg.TaskType,
	}
}
