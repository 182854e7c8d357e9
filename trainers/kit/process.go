package kit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	stopDelay = 30 * time.Second // from SIGTERM to SIGKILL
	maxOutput = 1 << 20          // bytes that are kept of a process's output
)

// inherited are the variables that the package's processes get from this one:
// no setting of a job, no credential.
var inherited = []string{"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"}

// command prepares a process with the limit of a step. It is asked to stop with
// SIGTERM, so that the agent can end its own child.
func (v *Validator) command(ctx context.Context, env map[string]string, program string, args ...string) (*exec.Cmd, *tail, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, StepLimit+stopDelay)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = v.Dir
	cmd.Env = []string{"PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"}
	for _, pair := range v.Environ {
		if name, _, _ := strings.Cut(pair, "="); slices.Contains(inherited, name) {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopDelay
	stderr := &tail{}
	cmd.Stderr = stderr
	return cmd, stderr, cancel
}

// script runs a script of the package that prints JSON and reads it into answer.
func (v *Validator) script(ctx context.Context, answer any, name string) *finding {
	cmd, stderr, cancel := v.command(ctx, nil, v.Python, name)
	defer cancel()
	var stdout tail
	cmd.Stdout = &stdout
	err := cmd.Run()
	if wrong := json.Unmarshal(stdout.Bytes(), answer); err == nil && wrong != nil {
		err = fmt.Errorf("its output is not the JSON that docs/trainers.md describes: %w", wrong)
	}
	if err == nil {
		return nil
	}
	f := fault("%s: %v. %s", name, err, lastLines(stderr.String(), 3))
	return &f
}

func regular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// tail keeps the last part of an output.
type tail struct{ bytes.Buffer }

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	if t.Len()+len(p) > maxOutput {
		t.Next(min(t.Len(), len(p)+maxOutput/2))
	}
	return t.Buffer.Write(p)
}
