package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/trainers/kit"
)

// TryCmd runs a trainer at a desk.
type TryCmd struct {
	Verbosity
	fromFile
	Dataset   string   `placeholder:"DIR|ZIP" type:"path" help:"Dataset in Platform Format; by default ./sample."`
	Workspace string   `default:"workspace" type:"path" help:"Folder of the runs: each try writes to a new one below it (run-1, run-2, ...), and latest leads to the newest."`
	Resume    bool     `help:"Go on with the newest training from its last checkpoint, in its folder."`
	Predict   string   `placeholder:"IMAGES" type:"existingpath" xor:"use" help:"Predict an image or a folder of them with what the newest try has trained."`
	TestRun   bool     `xor:"use" help:"Measure what the newest try has trained, on the dataset's val split or TEST_SPLIT."`
	Export    string   `placeholder:"FORMAT" xor:"use" help:"Export what the newest try has trained: onnx, torchscript, openvino, tflite, coreml or tensorrt."`
	Python    string   `default:"python3" placeholder:"PROGRAM" help:"What runs the package's script where no command is given."`
	Command   []string `arg:"" optional:"" passthrough:"" name:"command" help:"The process, after --; by default this folder's train.py, predict.py or export.py. $(NAME) is replaced from its environment."`
}

// Help is shown below the flags.
func (TryCmd) Help() string {
	return `Runs a whole job without a platform: the dataset from disk, checkpoints to a folder, callbacks
to a file. Examples:

  trainer-agent try -- python train.py
  EPOCHS=20 LEARNING_RATE=0.01 trainer-agent try --dataset ~/cats.zip -- python train.py
  TASK_TYPE=image_classification trainer-agent try --dataset ~/cats -- python my_script.py
  trainer-agent try --resume -- python train.py
  trainer-agent try --predict ~/photos
  trainer-agent try --test-run
  trainer-agent try --export onnx

Variables that are set win, then those of --env-file, then those of job.env in this folder; FRAMEWORK,
MODEL_NAME and TASK_TYPE come from its capabilities.json, EPOCHS is 3. A script that is no package needs
TASK_TYPE. With WORKSPACE_DIR the job writes there and nowhere else. AGENT_RESUME=auto is --resume.`
}

// Run does what "run" does, with this folder in place of the platform.
func (c TryCmd) Run() error {
	if _, err := command(c.Command); err != nil {
		return err // before a folder is made
	}
	if _, err := os.Stat(settingsFile); err == nil {
		if err := loadEnvFile(settingsFile); err != nil {
			return err
		}
	}
	dir, err := c.runFolder()
	if err != nil {
		return err
	}
	local := kit.Local{Package: ".", Dataset: c.Dataset, Workspace: dir}
	using := kit.Using{Local: local, Images: c.Predict, Export: c.Export, Runs: c.Workspace}
	desk, err := kit.OpenDesk(context.Background(), local.Record())
	if err != nil {
		return err
	}
	environment := local.Environment
	if c.uses() {
		environment = using.Environment
	}
	env, err := environment(desk)
	if err != nil {
		return errors.Join(err, desk.Close())
	}
	if err := fillEnvironment(env); err != nil {
		return errors.Join(err, desk.Close())
	}
	status := c.process().Run()
	if err := desk.Close(); err != nil {
		return errors.Join(status, err)
	}
	fmt.Fprintf(os.Stderr, "callbacks: %s, in %s\n", desk.Summary(), relative(local.Record()))
	if text := kit.Measured(local.Record()); text != "" {
		fmt.Fprintf(os.Stderr, "measured: %s\n", text)
	}
	if c.uses() {
		if kept := using.Results(os.Getenv("AGENT_LOCAL_BUCKET_DIR")); filled(kept) {
			fmt.Fprintf(os.Stderr, "results: %s%s\n", relative(kept), c.first(kept))
		}
		return status
	}
	if kept := local.Checkpoints(os.Getenv("JOB_ID")); filled(kept) {
		fmt.Fprintf(os.Stderr, "checkpoints: %s\n", relative(kept))
	}
	return status
}

// process is what is run. It knows the files that settings came from: a secret in one
// is kept from the training, or said to be in its reach.
func (c TryCmd) process() RunCmd {
	files := slices.Clone(c.EnvFile)
	if own, err := filepath.Abs(settingsFile); err == nil {
		files = append(files, own)
	}
	return RunCmd{fromFile: fromFile{EnvFile: files}, Verbosity: c.Verbosity, Trainer: ".", Python: c.Python, Command: c.Command}
}

// uses reports whether the try is of a model that is trained already.
func (c TryCmd) uses() bool { return c.Predict != "" || c.TestRun || c.Export != "" }

// first names the files of the results to look at; a job that was stopped has none yet.
func (c TryCmd) first(dir string) string {
	names := []string{"report.html", "contact-sheet.jpg"}
	if c.Export != "" {
		names = []string{"metadata.json", "package.zip"}
	}
	there := slices.DeleteFunc(names, func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err != nil
	})
	if len(there) == 0 {
		return ""
	}
	return ", begin with " + strings.Join(there, " or ")
}

// settingsFile has a package's own settings for tries.
const settingsFile = "job.env"

// runFolder is where this try writes. One that is at work is left alone.
func (c TryCmd) runFolder() (dir string, err error) {
	resume := !c.uses() && c.Resume || os.Getenv("AGENT_RESUME") == "auto"
	switch given := os.Getenv("WORKSPACE_DIR"); {
	case given != "":
		dir, err = given, os.MkdirAll(given, 0o755)
	case resume:
		dir, err = kit.LastRun(c.Workspace)
	default:
		return kit.NewRun(c.Workspace)
	}
	if err == nil && resume {
		err = os.Setenv("AGENT_RESUME", "auto")
	}
	if err == nil {
		err = free(dir)
	}
	return dir, err
}

// free refuses a folder in which an agent is at work, before anything in it is touched.
func free(dir string) error {
	ws, err := job.NewWorkspace(dir, os.Getenv("AGENT_STATE_DIR"))
	if err != nil {
		return err
	}
	if _, err := os.Stat(ws.Private().Dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	unlock, err := ws.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	return forgetDesk(ws)
}

// forgetDesk removes what an earlier try left for its desk, which is no more. Its token
// is not either, so the agent would take it for damaged.
func forgetDesk(ws job.Workspace) error {
	if os.Getenv("BACKEND_BASE_URL") != "" {
		return nil
	}
	if err := os.RemoveAll(ws.Private().Outbox()); err != nil {
		return fmt.Errorf("removing the callbacks of an earlier try: %w", err)
	}
	return nil
}

// fillEnvironment sets what is not set. A token belongs to its backend: another's is
// no use at the desk, and the desk's at no other.
func fillEnvironment(env map[string]string) error {
	if os.Getenv("BACKEND_BASE_URL") != "" {
		delete(env, "CALLBACK_TOKEN")
	} else if err := errors.Join(os.Unsetenv("CALLBACK_TOKEN"), os.Unsetenv("CALLBACK_TOKEN_FILE")); err != nil {
		return err
	}
	for name, value := range env {
		if os.Getenv(name) == "" {
			if err := os.Setenv(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func filled(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && len(entries) > 0
}

// relative is a path as a person at this folder would write it.
func relative(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
