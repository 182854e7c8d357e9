package kit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

const (
	stopDelay = 30 * time.Second // what an agent has to end a training whose time is over, and to start one
	maxOutput = 1 << 20          // bytes that are kept of a process's output
	maxLog    = 16 << 10         // bytes of it that a result tells
)

// limits are those of one run of the package's code beside its time: the platform's sizes,
// and room for a framework's threads, which has some pools of one for each core. Not more:
// as many processes that want to run are what a machine has to bear until they are ended.
var limits = runner.Limits{Memory: 4 << 30, Files: 50_000, Processes: 128 + 16*runtime.NumCPU()}

// inherited are the variables that the package's processes get from this one:
// no setting of a job, no credential.
var inherited = []string{"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"}

// environ are the variables that a process may get some of: in an image, where none of
// this machine's paths is, none but that of its packages.
func (t Tools) environ() []string {
	if !t.Image {
		return t.Environ
	}
	if t.Packages == "" {
		return nil
	}
	return []string{"PYTHONPATH=" + t.Packages}
}

// environment is what a process of the package gets.
func (v *Validator) environment(more map[string]string) []string {
	env := []string{"PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"}
	isolated := v.Tools.Runner.Level() != runner.LevelProcess
	own := []string{"HOME", "TMPDIR"} // of the isolation
	for _, pair := range v.Tools.environ() {
		name, _, _ := strings.Cut(pair, "=")
		if slices.Contains(inherited, name) && (!isolated || !slices.Contains(own, name)) {
			env = append(env, pair)
		}
	}
	if isolated {
		env = append(env, "HOME=/tmp", "TMPDIR=/tmp", "USER=trainer")
	}
	for name, value := range more {
		env = append(env, name+"="+value)
	}
	return env
}

// run runs a command of the package's folder and returns the end of its output. The
// folders in write are made.
func (v *Validator) run(ctx context.Context, result *contract.StepResult, c runner.Command) (string, error) {
	for _, dir := range c.Write {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", fmt.Errorf("making a folder for the test: %w", err)
		}
	}
	stderr := &tail{}
	c.Stderr = stderr
	if v.Output != nil {
		c.Stderr = io.MultiWriter(stderr, v.Output)
	}
	if c.Stdout == nil {
		c.Stdout = c.Stderr // in order, for the author
	}
	c.Dir, c.Read = v.Dir, append(slices.Concat(c.Read, v.proof.python), v.Dir)
	program := c.Program
	if !v.Tools.Image {
		var err error
		if program, err = exec.LookPath(c.Program); err != nil {
			return "", err
		}
	}
	bounded := limits
	bounded.Disk = v.Disk
	if bounded.Time = v.Limit; c.Program == v.Tools.Agent {
		bounded.Time += stopDelay
	}
	c.Program = program
	err := v.Tools.Runner.Run(ctx, c, bounded)
	text := stderr.String()
	result.Log = strings.ToValidUTF8((result.Log + text)[max(0, len(result.Log)+len(text)-maxLog):], "")
	return text, err
}

// notRun is the finding for a command that was ended at a limit, or that this machine
// could not run, which is no fault of the package.
func notRun(err error, file string) *finding {
	if over, is := errors.AsType[*runner.Exceeded](err); is {
		f := with(fault("limit."+over.What, file, over.Error()), "docs/trainers.md names the limits of a validation")
		return &f
	}
	if err == nil || runner.Ended(err) || errors.Is(err, exec.ErrWaitDelay) { // it left somebody with its output open
		return nil
	}
	f := machineFault(err)
	return &f
}

func machineFault(err error) finding {
	return with(fault("machine.failed", "", "this machine could not run the package: "+err.Error()), "try again when the machine can")
}

// script runs a script of the package that prints JSON and reads it into answer.
func (v *Validator) script(ctx context.Context, result *contract.StepResult, answer any, name string) *finding {
	var stdout tail
	said, err := v.run(ctx, result, runner.Command{Program: v.Tools.Python, Args: []string{name}, Env: v.environment(nil), Stdout: &stdout})
	if f := notRun(err, name); f != nil {
		return f
	}
	if wrong := json.Unmarshal(stdout.Bytes(), answer); err == nil && wrong != nil {
		err = fmt.Errorf("its output is not the JSON that docs/trainers.md describes: %w", wrong)
	}
	if err == nil {
		return nil
	}
	f := v.at(fault("script.failed", name, textf("%s: %v. %s", name, err, lastLines(said, 3))), said)
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
