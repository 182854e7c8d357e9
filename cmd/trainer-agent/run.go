package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/vision-platform/trainer-agent/agent"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/report"
	"github.com/vision-platform/trainer-agent/contract"
)

// RunCmd carries one job.
type RunCmd struct {
	Command []string `arg:"" passthrough:"" name:"command" help:"The training process, after --. $(NAME) is replaced from its environment."`
}

// Help is shown below the flags.
func (RunCmd) Help() string {
	return `Examples:
  trainer-agent run -- python train.py
  trainer-agent run -- python train.py --job-id '$(JOB_ID)' --config '$(CONFIG_JSON)'

The job comes from environment variables ("trainer-agent env" lists them).
Exit codes: 0 succeeded, 1 failed, 2 done could not be delivered,
75 infrastructure (retry), 143 stopped (retry).`
}

// Run carries the job.
func (c RunCmd) Run() error {
	options, done, err := jobOptions(command(c.Command))
	if err != nil {
		return err
	}
	go exitAtThird(options.Supervisor)
	code := agent.Run(context.Background(), options)
	done()
	return exitCode(code)
}

// exitAtThird ends the agent when it is told to stop for the third time: whoever
// does that no longer waits for checkpoints. What was accepted is on disk.
func exitAtThird(s *process.Supervisor) {
	for request := range s.Requests() {
		if request.Count >= 3 {
			_ = s.Close()
			os.Exit(contract.ExitStopped)
		}
	}
}

// PrepareCmd does everything before training.
type PrepareCmd struct{}

// Help is shown below the flags.
func (PrepareCmd) Help() string {
	return `Examples:
  trainer-agent prepare
  docker run --rm --env-file job.env -v ws:/workspace --entrypoint trainer-agent my-trainer prepare

Meant for an init container that shares WORKSPACE_DIR with the trainer's: a
later "trainer-agent run" with the same settings reuses what is there.`
}

// Run prepares.
func (PrepareCmd) Run() error {
	options, done, err := jobOptions(nil)
	if err != nil {
		return err
	}
	defer done()
	return agent.Prepare(context.Background(), options)
}

// jobOptions registers for signals before anything else, then reads the
// environment.
func jobOptions(command []string) (agent.Options, func(), error) {
	supervisor, err := process.NewSupervisor(process.Options{})
	if err != nil {
		return agent.Options{}, nil, err
	}
	cfg, problems := config.Load()
	terminal := term.IsTerminal(int(os.Stdout.Fd()))
	format := cfg.LogFormat
	if format == "" && term.IsTerminal(int(os.Stderr.Fd())) {
		format = "text"
	}
	log := report.NewLogger(os.Stderr, report.LogOptions{
		Format: format, Level: cfg.LogLevel, Secrets: cfg.Secrets(), JobID: cfg.JobID, TraceID: cfg.TraceID,
	})
	done := func() {
		if err := supervisor.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "trainer-agent:", err)
		}
	}
	return agent.Options{
		Config: cfg, Problems: problems, Command: command, Supervisor: supervisor, Environ: os.Environ(),
		Stdout: os.Stdout, Terminal: terminal, Log: log, Now: time.Now, Termination: report.TerminationLog,
	}, done, nil
}

// command drops the "--" that kong passes through.
func command(args []string) []string {
	if len(args) > 0 && args[0] == "--" {
		return args[1:]
	}
	return args
}
