package main

import (
	"context"

	"github.com/vision-platform/trainer-agent/agent"
)

// RunCmd carries one job.
type RunCmd struct {
	fromFile
	Told
	Command []string `arg:"" passthrough:"" name:"command" help:"The training process, after --. $(NAME) is replaced from its environment."`
}

// Help is shown below the flags.
func (RunCmd) Help() string {
	return `Examples:
  trainer-agent run -- python train.py
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
	options, done, err := c.jobOptions(command(c.Command))
	if err != nil {
		return err
	}
	code := agent.Run(context.Background(), options)
	done()
	return exitCode(code)
}

// PrepareCmd does everything before training.
type PrepareCmd struct {
	fromFile
	Told
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

// command drops the "--" that kong passes through.
func command(args []string) []string {
	if len(args) > 0 && args[0] == "--" {
		return args[1:]
	}
	return args
}
