package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/platform"
	"github.com/vision-platform/trainer-agent/contract"
)

// agentGrace is how long an interrupted agent may take to stop its trainer, save
// and report before it is killed; longer than AGENT_STOP_GRACE's default.
const agentGrace = 40 * time.Second

// recipe is what makes a framework learn the shapes within a minute or two on two
// cores, from fresh weights, since nothing may be downloaded.
type recipe struct {
	task         string
	models       map[string]string // by task; "" is the usual one
	epochs       int
	batchSize    int
	imageSize    int // pixels
	learningRate float64
	options      string // CONFIG_JSON
	tinted       bool   // classes differ in colour too: fresh weights see no shapes in 200 images
}

// plain is the trainer that needs no framework: seconds, not minutes.
const plain = "plain"

var recipes = map[string]recipe{
	plain: {
		task: "image_classification", epochs: 6, batchSize: 8, imageSize: 64, learningRate: 0.01, tinted: true, options: `{}`, models: map[string]string{"": starterName + "-m"},
	},
	contract.FrameworkUltralytics: {
		task: "object_detection", epochs: 8, batchSize: 8, imageSize: 160, learningRate: 0.005, options: `{"warmup_epochs": 0.5}`,
		models: map[string]string{
			"": "yolo11n", "instance_segmentation": "yolo11n-seg", "pose_estimation": "yolo11n-pose", "image_classification": "yolo11n-cls",
		},
	},
	contract.FrameworkTimm: {
		task: "image_classification", epochs: 6, batchSize: 8, imageSize: 64, learningRate: 0.001, tinted: true, options: `{}`, models: map[string]string{"": "resnet18"},
	},
	contract.FrameworkHuggingFace: {
		task: "image_classification", epochs: 6, batchSize: 16, imageSize: 64, learningRate: 0.0005, tinted: true, options: `{}`, models: map[string]string{"": "vit-tiny-patch16-224"},
	},
}

func (r recipe) model(task string) string {
	if m := r.models[task]; m != "" {
		return m
	}
	return r.models[""]
}

// demoJob is the job that the demo runs.
type demoJob struct {
	id, dataset, framework, model string
	script                        string // train.py
	task                          contract.TaskType
	epochs, batchSize, imageSize  int
	recipe                        recipe
	workspace                     string
}

// checkpointFrequency shows at least two epoch checkpoints.
func (j demoJob) checkpointFrequency() int { return max(1, j.epochs/3) }

// env is the contract's environment of the job, section 2.
func (j demoJob) env(p *platform.Platform, probe string) map[string]string {
	env := p.Env()
	maps.Copy(env, map[string]string{
		"JOB_ID": j.id, "JOB_TYPE": string(contract.JobTraining), "TASK_TYPE": string(j.task), "FRAMEWORK": j.framework,
		"MODEL_NAME": j.model, "DATASET_ID": j.dataset, "EPOCHS": strconv.Itoa(j.epochs), "BATCH_SIZE": strconv.Itoa(j.batchSize),
		"IMAGE_SIZE": strconv.Itoa(j.imageSize), "LEARNING_RATE": strconv.FormatFloat(j.recipe.learningRate, 'g', -1, 64),
		"CONFIG_JSON": j.recipe.options, "CHECKPOINT_FREQUENCY": strconv.Itoa(j.checkpointFrequency()),
		"NUM_WORKERS": "0", "WORKSPACE_DIR": j.workspace, "AGENT_GPU_PROBE": probe,
	})
	return env
}

// makeDataset draws the shapes, packs them and uploads the archive.
func (c *demoCmd) makeDataset(ctx context.Context, p *platform.Platform, job demoJob) error {
	say("dataset", "drawing %d images of %d×%d pixels for %s", c.Images, drawnSize, drawnSize, job.task)
	folder := filepath.Join(c.DataDir, "dataset")
	archive := folder + ".zip"
	args := []string{
		c.script("testdata", "make_shapes.py"), "--task", string(job.task), "--out", folder, "--images", strconv.Itoa(c.Images),
		"--size", strconv.Itoa(drawnSize), "--dataset-id", job.dataset, "--zip", archive,
	}
	if job.recipe.tinted {
		args = append(args, "--tint")
	}
	cmd := exec.CommandContext(ctx, c.Python, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("drawing the dataset: %w", err)
	}
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	key := contract.DatasetZipKey(job.dataset)
	if err := p.Put(ctx, key, f); err != nil {
		return fmt.Errorf("uploading the dataset: %w", err)
	}
	say("dataset", "uploaded as %s", contract.URI(defaultBucket, key))
	return errors.Join(os.RemoveAll(folder), os.Remove(archive))
}

const drawnSize = 160 // pixels

// runAgent runs the job and returns the agent's exit code. Its output goes
// straight to ours, so that it knows whether it writes to a terminal.
func (c *demoCmd) runAgent(ctx context.Context, p *platform.Platform, job demoJob) (int, error) {
	if err := os.MkdirAll(job.workspace, 0o755); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	say("agent", "%s run -- %s %s", c.Agent, c.Python, job.script)
	cmd := exec.CommandContext(ctx, c.Agent, "run", "--", c.Python, job.script)
	cmd.Env = append(inherited(os.Environ()), assignments(job.env(p, c.GPUProbe))...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// A group of its own: of a Ctrl-C it would get two signals, the terminal's and
	// ours, and a second one means stop at once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = agentGrace
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() >= 0 {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 0, fmt.Errorf("running the agent: %w", err)
	}
	return 0, nil
}

// inherited picks what a program needs of the person's own environment, without
// the settings (AWS_PROFILE, EPOCHS) that would change the job.
func inherited(environ []string) []string {
	names := []string{"PATH", "HOME", "USER", "LANG", "TERM", "COLORTERM", "NO_COLOR", "TMPDIR", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"}
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return !slices.Contains(names, name) && !strings.HasPrefix(name, "LC_") && !strings.HasPrefix(name, "NVIDIA_")
	})
}

func assignments(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}
