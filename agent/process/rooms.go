package process

import (
	"github.com/vision-platform/trainer-agent/agent/process/command"
	"github.com/vision-platform/trainer-agent/agent/process/identity"
	"github.com/vision-platform/trainer-agent/agent/process/reap"
	"github.com/vision-platform/trainer-agent/agent/process/signals"
	"github.com/vision-platform/trainer-agent/agent/process/start"
)

// What callers need of the rooms behind the door.
type (
	// Spec says what to start.
	Spec = start.Spec
	// Identity is whom a child runs as.
	Identity = identity.Identity
	// Status is how a child ended.
	Status = reap.Status
	// Request is a signal that asks the agent to stop.
	Request = signals.Request
	// ExecError says why a command could not be started.
	ExecError = command.ExecError
)
