package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/platform"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit"
)

// collectTimeout bounds the look at the bucket after the job; an interrupted demo
// takes it too, to show how far it came.
const collectTimeout = 30 * time.Second

type demoCmd struct {
	Agent     string        `help:"trainer-agent (default: beside this program)." type:"path"`
	GPUProbe  string        `name:"gpu-probe" help:"trainer-gpu (default: beside the agent)." type:"path"`
	Python    string        `default:".venv/bin/python" help:"Python with the trainer's requirements." type:"path"`
	Root      string        `default:"." help:"Root of the repository, for trainers/ and testdata/." type:"path"`
	Framework string        `default:"ultralytics" enum:"plain,ultralytics,timm,huggingface" help:"Trainer: ${enum}; plain is what trainer-agent init writes, in NumPy."`
	Task      string        `help:"Task type (default: the framework's usual one)."`
	Model     string        `help:"Model (default: a small one of the framework)."`
	Epochs    int           `help:"Epochs (default: enough to see the metric rise)."`
	Images    int           `default:"240" help:"Images in the dataset."`
	ImageSize int           `help:"Side of the training images in pixels."`
	BatchSize int           `help:"Images a step."`
	DataDir   string        `type:"path" help:"Folder of everything (default: a new temporary folder)."`
	Keep      bool          `help:"Keep serving the page after the job until Ctrl-C."`
	Port      int           `default:"0" help:"Port of the page; 0 picks a free one."`
	Timeout   time.Duration `default:"30m" help:"Longest the job may take."`
}

// Help has the examples.
func (demoCmd) Help() string {
	return `Examples:
  trainer-sandbox demo --framework plain
  trainer-sandbox demo --framework timm
  trainer-sandbox demo --epochs 12 --keep --port 8000`
}

// Run does what make demo does: platform, dataset, job, proof.
func (c *demoCmd) Run(ctx context.Context) error {
	job, err := c.job()
	if err != nil {
		return err
	}
	p, err := platform.Start(ctx, platform.Config{
		S3Addr: "127.0.0.1:0", BackendAddr: fmt.Sprintf("127.0.0.1:%d", c.Port), DataDir: c.DataDir, Bucket: defaultBucket,
		Token: defaultToken, AccessKey: "sandbox", SecretKey: "sandbox-secret",
	})
	if err != nil {
		return err
	}
	say("platform", "page %s/?job=%s · store %s · data %s", p.URL, job.id, p.Store.URL, c.DataDir)
	err = c.play(ctx, p, job)
	if c.Keep && ctx.Err() == nil {
		say("page", "still open at %s/?job=%s — Ctrl-C ends it", p.URL, job.id)
		return errors.Join(err, p.Serve(ctx))
	}
	return errors.Join(err, p.Close())
}

// play runs the job, prints what happened and fails unless all of it did.
func (c *demoCmd) play(ctx context.Context, p *platform.Platform, job demoJob) error {
	if err := c.makeDataset(ctx, p, job); err != nil {
		return err
	}
	began := time.Now()
	code, err := c.runAgent(ctx, p, job)
	if err != nil {
		return err
	}
	say("agent", "left with exit code %d after %s", code, time.Since(began).Round(time.Second))
	looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), collectTimeout)
	defer cancel()
	evidence, err := collect(looking, p, job, code)
	if err != nil {
		return err
	}
	evidence.print(os.Stdout)
	missing := evidence.missing()
	c.printOutcome(job, missing)
	if len(missing) > 0 {
		return fmt.Errorf("%d of the things that make a job did not happen", len(missing))
	}
	return nil
}

func (c *demoCmd) printOutcome(job demoJob, missing []string) {
	fmt.Println()
	if len(missing) == 0 {
		fmt.Println("All of it happened: dataset, training, heartbeats, validations, checkpoints, log, done.")
		_ = os.RemoveAll(job.workspace) // the bucket and the callbacks stay; a leftover is only disk space
	}
	for _, m := range missing {
		fmt.Println("MISSING:", m)
	}
	if c.Keep {
		return
	}
	self := os.Args[0]
	fmt.Printf("Look again:  %s serve --data-dir %s --s3-addr 127.0.0.1:0\n             then open %s\n", self, c.DataDir, "http://127.0.0.1:8000/?job="+job.id)
	fmt.Printf("Clean up:    rm -r %s\n", c.DataDir)
}

// job resolves the defaults and checks that everything is there before anything
// is started.
func (c *demoCmd) job() (demoJob, error) {
	recipe := recipes[c.Framework]
	if c.Task == "" {
		c.Task = recipe.task
	}
	if c.Model == "" {
		c.Model = recipe.model(c.Task)
	}
	if c.Epochs == 0 {
		c.Epochs = recipe.epochs
	}
	if c.BatchSize == 0 {
		c.BatchSize = recipe.batchSize
	}
	if c.ImageSize == 0 {
		c.ImageSize = recipe.imageSize
	}
	if err := c.findPrograms(); err != nil {
		return demoJob{}, err
	}
	if c.DataDir == "" {
		dir, err := os.MkdirTemp("", "trainer-demo-")
		if err != nil {
			return demoJob{}, fmt.Errorf("making a temporary folder: %w", err)
		}
		c.DataDir = dir
	}
	script, framework, err := c.trainer()
	if err != nil {
		return demoJob{}, err
	}
	return demoJob{
		id: "demo-" + c.Framework, dataset: "shapes-" + strings.ReplaceAll(c.Task, "_", "-"), task: contract.TaskType(c.Task), script: script, framework: framework,
		model: c.Model, epochs: c.Epochs, batchSize: c.BatchSize, imageSize: c.ImageSize, recipe: recipe,
		workspace: filepath.Join(c.DataDir, "workspace"),
	}, nil
}

func (c *demoCmd) findPrograms() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if c.Agent == "" {
		c.Agent = filepath.Join(filepath.Dir(self), "trainer-agent")
	}
	if c.GPUProbe == "" {
		c.GPUProbe = filepath.Join(filepath.Dir(c.Agent), "trainer-gpu")
	}
	for _, need := range []struct{ path, fix string }{
		{c.Agent, "run make build"}, {c.GPUProbe, "run make build"},
		{c.Python, "run make venv FRAMEWORK=" + c.Framework},
		{c.script("testdata", "make_shapes.py"), "start the demo in the repository or give --root"},
	} {
		if _, err := exec.LookPath(need.path); err != nil && !isFile(need.path) {
			return fmt.Errorf("%s is not there: %s", need.path, need.fix)
		}
	}
	return nil
}

// starterName is the package that "plain" writes as trainer-agent init does.
const starterName = "shapes-trainer"

// trainer finds the training script, and the framework's name for the job.
func (c *demoCmd) trainer() (script, framework string, err error) {
	if c.Framework != plain {
		script = c.script("trainers", c.Framework, "train.py")
		if !isFile(script) {
			return "", "", fmt.Errorf("%s is not there: start the demo in the repository or give --root", script)
		}
		return script, c.Framework, nil
	}
	dir := filepath.Join(c.DataDir, starterName)
	if err := os.MkdirAll(c.DataDir, 0o755); err != nil {
		return "", "", err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := kit.Write(dir, starterName, plain); err != nil {
			return "", "", err
		}
	}
	return filepath.Join(dir, "train.py"), starterName, nil
}

func (c *demoCmd) script(elem ...string) string {
	return filepath.Join(append([]string{c.Root}, elem...)...)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// say prints one progress line.
func say(topic, format string, args ...any) {
	fmt.Printf("== %-8s %s\n", topic, fmt.Sprintf(format, args...))
}
