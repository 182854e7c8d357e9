package settings

import (
	"github.com/vision-platform/trainer-agent/agent/callbacks/completions"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/monitor/gpu"
	"github.com/vision-platform/trainer-agent/agent/monitor/resources"
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

// Labels are what a trace says of the job.
func Labels(cfg *config.Config) map[string]string {
	return map[string]string{
		"trainer.job_id": cfg.JobID, "trainer.job_type": cfg.JobType, "trainer.framework": cfg.Framework,
		"trainer.model": cfg.ModelName, "trainer.task_type": cfg.TaskType,
	}
}
