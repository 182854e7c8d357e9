package training

import (
	"path/filepath"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/process/command"
	"github.com/vision-platform/trainer-agent/agent/process/identity"
	"github.com/vision-platform/trainer-agent/contract"
)

// Command is what is run.
type Command struct {
	Args      []string // $(NAME) is replaced from the environment
	Workspace job.Workspace
	RunAs     *process.Identity // AGENT_RUN_AS; nil means as the agent
	PTY       bool
}

// Spec is the process with its environment. The workspace is given to the identity
// that it runs as, but for what is the agent's own.
func (c Command) Spec(env []string) (process.Spec, error) {
	spec := process.Spec{Args: command.Expand(c.Args, env), Env: env, Main: true, PTY: c.PTY, NoNewPrivs: true, RunAs: c.RunAs}
	if c.RunAs == nil {
		return spec, nil
	}
	if err := identity.Own(c.Workspace.Root, *c.RunAs, filepath.Base(c.Workspace.Private())); err != nil {
		return spec, contract.Failf(contract.CodeConfigInvalid, "the workspace cannot be given to AGENT_RUN_AS=%s: %w.", c.RunAs, err).
			WithHint("Run the agent as root, or leave AGENT_RUN_AS out.")
	}
	return spec, nil
}
