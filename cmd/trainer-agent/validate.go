package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit"
)

// ValidateCmd checks a trainer package as the platform checks an upload.
type ValidateCmd struct {
	Package string `arg:"" type:"existingdir" default:"." help:"Folder of the package."`
	Python  string `default:"python3" help:"Interpreter that has the package's requirements."`
	Dataset string `placeholder:"DIR|ZIP" type:"path" help:"Dataset of the training test, in Platform Format; by default a small one made for the task."`
	Strict  bool   `help:"Fail where a scanner (clamscan, pip-audit) is not installed."`
	JSON    bool   `name:"json" help:"Print the state after every change, one JSON object a line."`
}

// Help is shown below the flags.
func (ValidateCmd) Help() string {
	return `Takes the six steps of the platform: structure, config_schema, capabilities, training_test (one
real epoch through this agent, 5 minutes at most), inference_test, security. Examples:

  trainer-agent validate --python .venv/bin/python
  docker run --rm --entrypoint trainer-agent my-trainer validate --strict --json /app

Exits with 0 when every step passed, else with 1. The package's own code runs: validate a stranger's
package in a container without credentials.`
}

// Run validates.
func (c ValidateCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the agent's own program: %w", err)
	}
	dir, err := filepath.Abs(c.Package)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "trainer-validation-*")
	if err != nil {
		return fmt.Errorf("making a folder for the tests: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	v := kit.Validator{
		Dir: dir, Python: interpreter(c.Python), Agent: self, Scratch: scratch, Dataset: c.Dataset,
		Environ: os.Environ(), Strict: c.Strict, Progress: c.progress(),
	}
	if v.Run(ctx).Status != "passed" {
		return exitCode(contract.ExitFailed)
	}
	return nil
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

// unscanned is an issue that says that something was not looked at.
func unscanned(issue string) bool {
	return strings.HasPrefix(issue, "note: not scanned") || strings.HasPrefix(issue, "note: dependencies not audited") || strings.Contains(issue, "was not audited")
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
			case !result.Passed:
				verdict = "FAILED"
			case slices.ContainsFunc(result.Issues, unscanned):
				verdict = "partly"
				partly = append(partly, step)
			}
			fmt.Printf("%s  %-15s %6.1f s\n", verdict, step, result.Duration)
			for _, issue := range result.Issues {
				fmt.Println("        " + issue)
			}
		}
		if state.Status != "validating" {
			fmt.Printf("The package %s: %d of %d steps taken.\n", state.Status, state.StepsCompleted, state.StepsTotal)
			if len(partly) > 0 {
				fmt.Printf("Not everything could be looked at in: %s. With --strict, as a platform runs it, the package fails.\n", strings.Join(partly, ", "))
			}
		}
	}
}
