package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/trainers/kit"
)

// TryCmd runs a trainer at a desk.
type TryCmd struct {
	Told
	Dataset   string   `placeholder:"DIR|ZIP" type:"path" help:"Dataset in Platform Format; by default ./sample."`
	Workspace string   `default:"workspace" type:"path" help:"Folder for all that the job writes: a new or empty one, or that of a try before, which is removed."`
	Command   []string `arg:"" passthrough:"" name:"command" help:"The training process, after --. $(NAME) is replaced from its environment."`
}

// Help is shown below the flags.
func (TryCmd) Help() string {
	return `Runs a whole job without a platform: the dataset from disk, checkpoints to a folder, callbacks
to a file. Examples:

  trainer-agent try -- python train.py
  EPOCHS=20 LEARNING_RATE=0.01 trainer-agent try --dataset ~/cats.zip -- python train.py

Variables that are set win; FRAMEWORK, MODEL_NAME and TASK_TYPE come from capabilities.json of this
folder, EPOCHS is 3. AGENT_RESUME=auto keeps the workspace and goes on from the last checkpoint.`
}

// Run does what "run" does, with this folder in place of the platform.
func (c TryCmd) Run() error {
	local := kit.Local{Package: ".", Dataset: c.Dataset, Workspace: c.Workspace}
	if dir := os.Getenv("WORKSPACE_DIR"); dir != "" {
		local.Workspace = dir
	}
	if err := local.OpenWorkspace(os.Getenv("AGENT_RESUME") == "auto"); err != nil {
		return err
	}
	desk, err := kit.OpenDesk(context.Background(), local.Record())
	if err != nil {
		return err
	}
	env, err := local.Environment(desk)
	if err != nil {
		return errors.Join(err, desk.Close())
	}
	if err := fillEnvironment(env); err != nil {
		return errors.Join(err, desk.Close())
	}
	status := RunCmd{Told: c.Told, Command: c.Command}.Run()
	if err := desk.Close(); err != nil {
		return errors.Join(status, err)
	}
	fmt.Fprintf(os.Stderr, "callbacks: %s, in %s\n", desk.Summary(), relative(local.Record()))
	if kept := local.Checkpoints(os.Getenv("JOB_ID")); filled(kept) {
		fmt.Fprintf(os.Stderr, "checkpoints: %s\n", relative(kept))
	}
	return status
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
