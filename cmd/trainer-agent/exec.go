package main

import (
	"context"
	"os"
	"time"

	"github.com/vision-platform/trainer-agent/agent/process"
)

// ExecCmd supervises a command without a job.
type ExecCmd struct {
	Grace   time.Duration `default:"10s" help:"From SIGTERM to SIGKILL."`
	Command []string      `arg:"" passthrough:"" name:"command" help:"The command, after --."`
}

// Help is shown below the flags.
func (ExecCmd) Help() string {
	return `Examples:
  trainer-agent exec -- python -c 'print(1)'
  trainer-agent exec -- sh -c 'sleep 60 & wait'

As PID 1 it forwards signals, reaps zombies and stops what does not stop by
itself, like an init; its exit status is the command's own.`
}

// Run supervises the command.
func (c ExecCmd) Run() error {
	args, err := command(c.Command)
	if err != nil {
		return err
	}
	return exitCode(process.Exec(context.Background(), args, os.Environ(), c.Grace))
}
