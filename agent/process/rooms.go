package process

import (
	"github.com/vision-platform/trainer-agent/agent/process/command"
	"github.com/vision-platform/trainer-agent/agent/process/table"
)

// What callers need of the rooms behind the door.
type (
	// Process is one row of the process table.
	Process = table.Process
	// ExecError says why a command could not be started.
	ExecError = command.ExecError
)

// Expand replaces $(NAME) in every argument by the value of NAME in env.
func Expand(args, env []string) []string { return command.Expand(args, env) }
