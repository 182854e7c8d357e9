package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/vision-platform/trainer-agent/agent"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit"
)

// RunCmd carries one job.
type RunCmd struct {
	fromFile
	Verbosity
	Trainer string   `placeholder:"DIR" type:"path" help:"A trainer's folder: of its train.py, predict.py, evaluate.py and export.py the one is run that JOB_TYPE asks for, unless a command is given."`
	Python  string   `default:"python3" placeholder:"PROGRAM" help:"What runs the script of --trainer."`
	Command []string `arg:"" optional:"" passthrough:"" name:"command" help:"The training process, after --. $(NAME) is replaced from its environment."`
}

// Help is shown below the flags.
func (RunCmd) Help() string {
	return `Examples:
  trainer-agent run -- python train.py
  trainer-agent run --trainer .
  trainer-agent run -- python train.py --job-id '$(JOB_ID)' --config '$(CONFIG_JSON)'
  trainer-agent run --quiet -- python train.py

On a terminal it shows the progress below the training's own output, and a card
at the end. Ctrl-C stops the training, which may save first; a second one leaves
it 2 seconds, a third none.

The job comes from environment variables ("trainer-agent env" lists them).
Exit codes: 0 succeeded, 1 failed, 2 done could not be delivered,
75 infrastructure (retry), 143 stopped (retry).`
}

// Run carries the job.
func (c RunCmd) Run() error {
	args, err := command(c.Command)
	if err != nil {
		return err
	}
	options, done, err := c.jobOptions(args)
	if err != nil {
		return err
	}
	if len(options.Command) == 0 {
		if c.Trainer == "" {
			done()
			return errors.New("there is nothing to run: give a command after --, or a trainer's folder with --trainer")
		}
		c.byKind(&options)
	}
	if c.Trainer != "" {
		options.Problems = append(options.Problems, unfit(options.Config, c.Trainer, startedBy(options.Command, c.Python))...)
	}
	options.SecretFiles, options.Reach = c.secretFiles(), reach
	code := agent.Run(context.Background(), options)
	done()
	return exitCode(code)
}

// byKind chooses the script for the job. A trainer without one fails the job as a wrong
// setting does, so that the backend is told.
func (c RunCmd) byKind(o *agent.Options) {
	cfg := o.Config
	script, err := kit.Script(c.Trainer, contract.JobType(cfg.JobType), contract.InferenceType(cfg.InferenceType))
	if err != nil {
		o.Problems = append(o.Problems, config.Problem{Variable: "JOB_TYPE", Value: cfg.JobType, Expected: "a kind of job that this trainer does (" + err.Error() + ")"})
		return
	}
	o.Command = []string{c.Python, script}
}

// unfit are the requirements of a trainer that this place does not meet: a job that starts
// all the same would fail later, and say something else.
func unfit(cfg *config.Config, dir, python string) (problems []config.Problem) {
	requires, err := kit.Requires(dir)
	if err != nil {
		return []config.Problem{{Variable: "--trainer", Value: dir, Expected: "a package whose requirements can be read (" + err.Error() + ")"}}
	}
	for _, unmet := range requires.Unmet(contract.Place{Agent: contract.Version, Python: kit.PythonVersion(python), Device: cfg.Device}) {
		p := config.Problem{Variable: "requires." + unmet.Field, Value: unmet.Needs}
		switch has := unmet.Has; {
		case has == "":
			p.Warning, p.Expected = true, unmet.String()+": it was not checked"
		case unmet.Field == "device":
			p.Expected = "DEVICE to be that, as the trainer's capabilities.json says; it is " + has
		case unmet.Field == "python":
			p.Expected = "such a Python, as the trainer's capabilities.json says; " + python + " is Python " + has
		default:
			p.Expected = "such a trainer-agent, as the trainer's capabilities.json says; this is " + has
		}
		problems = append(problems, p)
	}
	return problems
}

// startedBy is what the trainer's script is run by: the command's own Python, where it names one.
func startedBy(command []string, python string) string {
	if len(command) > 0 && strings.HasPrefix(filepath.Base(command[0]), "python") {
		return command[0]
	}
	return python
}

// PrepareCmd does everything before training.
type PrepareCmd struct {
	fromFile
	Verbosity
}

// Help is shown below the flags.
func (PrepareCmd) Help() string {
	return `Examples:
  trainer-agent prepare
  docker run --rm --env-file job.env -v ws:/workspace --entrypoint trainer-agent my-trainer prepare

Meant for an init container that shares WORKSPACE_DIR with the trainer's: a
later "trainer-agent run" with the same settings reuses what is there.`
}

// Run prepares.
func (c PrepareCmd) Run() error {
	options, done, err := c.jobOptions(nil)
	if err != nil {
		return err
	}
	code := agent.Prepare(context.Background(), options)
	done()
	return exitCode(code)
}

// command is what stands after "--". A flag that is not known arrives here as if it
// were the command.
func command(args []string) ([]string, error) {
	if len(args) > 0 && args[0] != "--" && strings.HasPrefix(args[0], "-") {
		return nil, fmt.Errorf("unknown flag %s: the command comes after --, and settings of the job are variables, such as EPOCHS=3", args[0])
	}
	return afterDashes(args), nil
}

// afterDashes drops the "--" that kong passes through.
func afterDashes(args []string) []string {
	if len(args) > 0 && args[0] == "--" {
		return args[1:]
	}
	return args
}
