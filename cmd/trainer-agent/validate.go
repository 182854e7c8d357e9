package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit"
	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
	"github.com/vision-platform/trainer-agent/trainers/kit/scratch"
)

// ValidateCmd checks a trainer package as the platform checks an upload.
type ValidateCmd struct {
	Package   string        `arg:"" type:"path" default:"." help:"Folder of the package, or the zip that is uploaded."`
	Python    string        `default:"python3" help:"Interpreter that has the package's requirements."`
	Isolation string        `enum:"process,namespaces,container" default:"process" help:"Where the package's code runs: process (as you, not isolated), namespaces (by bubblewrap) or container (by podman or docker): both without network, credentials and other files."`
	Image     string        `placeholder:"IMAGE" help:"Of the containers: NAME@sha256:… or the folder of an OCI layout, with a Python that has the package's requirements (default: this machine's own programs)."`
	Dataset   string        `placeholder:"DIR|ZIP" type:"path" help:"Dataset of the training test, in Platform Format; by default a small one made for the task."`
	Limit     time.Duration `default:"5m" help:"Longest time of one run of the package's code."`
	Disk      string        `default:"4GiB" help:"Most that one run of the package's code may write to the disk."`
	Strict    bool          `help:"Fail where a scanner (clamscan, pip-audit) is not installed."`
	JSON      bool          `name:"json" help:"Print the state after every change, one JSON object a line."`
}

// Help is shown below the flags.
func (ValidateCmd) Help() string {
	return `Takes the six steps of the platform: structure, config_schema, capabilities, training_test (one
real epoch through this agent, 5 minutes at most), inference_test, security. Examples:

  trainer-agent validate --python .venv/bin/python
  trainer-agent validate --isolation namespaces --python .venv/bin/python stranger.zip
  trainer-agent validate --isolation container --python .venv/bin/python stranger.zip
  trainer-agent validate --isolation container --image registry.example.com/trainer@sha256:… stranger.zip
  docker run --rm --entrypoint trainer-agent my-trainer validate --strict --json /app

Exits with 1 when a step failed. Where a scanner is not installed the security step is "partly", not
"passed", and the exit code is 0; with --strict it fails. The package's own code runs: take
--isolation namespaces or container for a stranger's package. If this machine cannot isolate, nothing
of it runs. A hub can have it run in Kubernetes too: trainer-hub serve --isolation kubernetes.`
}

// Run validates.
func (c ValidateCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var disk config.Bytes
	if err := disk.Decode(c.Disk); err != nil || disk == 0 {
		return fmt.Errorf("--disk=%s: expected a size above 0, such as 512MiB or 4GiB", c.Disk)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the agent's own program: %w", err)
	}
	pack, err := filepath.Abs(c.Package)
	if err != nil {
		return err
	}
	info, err := os.Stat(pack)
	if err != nil {
		return fmt.Errorf("opening the package: %w", err)
	}
	if err := c.fits(); err != nil {
		return err
	}
	folder, err := unpackInto("validate")
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	temp, err := folder.Temp()
	if err != nil {
		return err
	}
	tests := filepath.Join(folder.Dir, "tests")
	if err := os.Mkdir(tests, 0o700); err != nil {
		return fmt.Errorf("making a folder for the tests: %w", err)
	}
	v := kit.Validator{
		Dir: pack, Scratch: tests, Dataset: c.Dataset, Strict: c.Strict, Limit: c.Limit, Disk: int64(disk), Progress: c.progress(),
		Tools: kit.Tools{Python: interpreter(c.Python), Agent: self, Environ: append(os.Environ(), "TMPDIR="+temp)},
	}
	if !info.IsDir() {
		v.Zip = pack
	}
	level, release, err := c.runner(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = release() }()
	if v.Tools.Runner = level; c.Image != "" {
		v.Tools.Image, v.Tools.Python = true, c.Python
		if v.Tools.Version, err = c.imagePython(ctx, level); err != nil {
			return err
		}
	}
	if v.Run(ctx).Status != "failed" {
		return nil
	}
	own := filepath.Join(c.Package, ".venv", "bin", "python")
	if _, err := os.Stat(own); err == nil && c.Python == "python3" {
		fmt.Fprintf(os.Stderr, "It ran with python3. With the packages that are installed for it: --python %s\n", own)
	}
	return exitCode(contract.ExitFailed)
}

// unpackInto makes a folder for what is unpacked and then run or sent.
func unpackInto(name string) (*scratch.Folder, error) {
	folder, err := scratch.Make(name)
	if err == nil && folder.Shared != nil {
		fmt.Fprintf(os.Stderr, "trainer-agent: %s is used, where a training of this user that runs meanwhile can change what is unpacked: %v. Make %s a folder of yours alone (mode 700).\n",
			filepath.Dir(folder.Dir), folder.Shared, scratch.Root())
	}
	return folder, err
}

// fits says which flags do not go together, or what they name that is not there.
func (c ValidateCmd) fits() error {
	if c.Image != "" {
		if c.Isolation != runner.LevelContainer {
			return fmt.Errorf("--image is for --isolation container, not for %s", c.Isolation)
		}
		return nil
	}
	if _, err := exec.LookPath(c.Python); err != nil {
		return fmt.Errorf("--python %s: %w", c.Python, err)
	}
	return nil
}

// runner is where the package's code runs.
func (c ValidateCmd) runner(ctx context.Context) (runner.Runner, func() error, error) {
	switch c.Isolation {
	case runner.LevelNamespaces:
		n, err := runner.NewNamespaces(ctx)
		if err != nil {
			return nil, nil, err
		}
		return n, n.Close, nil
	case runner.LevelContainer:
		n, err := runner.NewContainer(ctx, c.Image)
		if err != nil {
			return nil, nil, err
		}
		return n, n.Close, nil
	}
	return runner.Process{}, func() error { return nil }, nil
}

// imagePython asks the image's Python for its version: where there is none, no package is to
// be blamed for it.
func (c ValidateCmd) imagePython(ctx context.Context, level runner.Runner) (string, error) {
	var version, said strings.Builder
	err := level.Run(ctx, runner.Command{
		Program: c.Python, Args: []string{"-I", "-c", `import sys; print("%d.%d.%d" % sys.version_info[:3])`}, Dir: "/", Stdout: &version, Stderr: &said,
	}, runner.Limits{Time: time.Minute})
	if err != nil {
		return "", fmt.Errorf("starting the Python of the image %s (--python %s): %w: %s", c.Image, c.Python, err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSpace(version.String()), nil
}

// interpreter keeps a path valid for processes that start in another folder.
func interpreter(python string) string {
	if filepath.Base(python) == python {
		return python
	}
	if path, err := filepath.Abs(python); err == nil {
		return path
	}
	return python
}

// progress prints every state as JSON, or every step when it is over.
func (c ValidateCmd) progress() func(contract.PackageValidation) {
	if c.JSON {
		return func(state contract.PackageValidation) { _ = json.NewEncoder(os.Stdout).Encode(state) }
	}
	printed, partly := map[string]bool{}, []string(nil)
	return func(state contract.PackageValidation) {
		for _, step := range contract.ValidationSteps {
			result, over := state.Results[step]
			if !over || printed[step] {
				continue
			}
			printed[step] = true
			verdict := "passed"
			switch {
			case result.Partly:
				verdict = "partly"
				partly = append(partly, step)
			case !result.Passed:
				verdict = "FAILED"
			}
			fmt.Printf("%s  %-15s %6.1f s\n", verdict, step, result.Duration)
			for _, issue := range result.Issues {
				fmt.Println("        " + issue)
			}
		}
		switch {
		case state.Status == contract.StatusPartly:
			fmt.Printf("Nothing wrong was found: %d of %d steps taken. Not everything could be looked at in: %s. With --strict, as a platform runs it, the package fails.\n",
				state.StepsCompleted, state.StepsTotal, strings.Join(partly, ", "))
		case state.Status != "validating":
			fmt.Printf("The package %s: %d of %d steps taken.\n", state.Status, state.StepsCompleted, state.StepsTotal)
		}
	}
}
