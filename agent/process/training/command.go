package training

import (
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/process/command"
	"github.com/vision-platform/trainer-agent/agent/process/identity"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/contract/spelling"
)

// Command is what is run.
type Command struct {
	Args      []string // $(NAME) is replaced from the environment
	Workspace job.Workspace
	RunAs     *process.Identity // AGENT_RUN_AS; nil means as the agent
}

// Spec is the process with its environment. Its user is given what it makes, and may
// read what it is given.
func (c Command) Spec(env []string) (process.Spec, error) {
	if err := c.complete(env); err != nil {
		return process.Spec{}, err
	}
	spec := process.Spec{Args: command.Expand(c.Args, env), Env: env, Main: true, NoNewPrivs: true, RunAs: c.RunAs}
	if c.RunAs == nil {
		return spec, nil
	}
	if err := c.handOver(); err != nil {
		return spec, contract.Failf(contract.CodeConfigInvalid, "the workspace cannot be given to AGENT_RUN_AS=%s: %w.", c.RunAs, err).
			WithHint("Run the agent as root, or leave AGENT_RUN_AS out.")
	}
	return spec, nil
}

// handOver leaves the workspace's root to the agent: whoever owns a folder may put a
// link in the place of anything in it, and an agent that is root would follow.
func (c Command) handOver() error {
	if err := c.keep(); err != nil {
		return err
	}
	if err := identity.Enterable(c.Workspace.Root); err != nil {
		return err
	}
	for _, dir := range []string{c.Workspace.Output(), c.Workspace.Home()} {
		if err := identity.Own(dir, *c.RunAs); err != nil {
			return err
		}
	}
	for _, dir := range c.Workspace.Given() {
		if err := identity.Readable(dir); err != nil {
			return err
		}
	}
	return nil
}

// keep sees to it that another user's process cannot put anything in the place of the
// workspace's folders and of the agent's state.
func (c Command) keep() error {
	if c.RunAs.Current() {
		return nil
	}
	for _, dir := range []string{c.Workspace.Root, c.Workspace.Private().Dir} {
		if err := identity.Keep(dir, *c.RunAs); err != nil {
			return err
		}
	}
	return identity.Close(c.Workspace.Private().Dir)
}

// complete refuses a command that asks for a setting which is not there: the script
// would get the text $(NAME) in its place.
func (c Command) complete(env []string) error {
	missing := command.Missing(c.Args, env)
	if len(missing) == 0 {
		return nil
	}
	names := make([]string, 0, len(env))
	for _, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		names = append(names, name)
	}
	f := contract.Failf(contract.CodeConfigInvalid, "The training command asks for $(%s), and the training has no variable of that name.", missing[0])
	if near := spelling.Nearest(missing[0], names); near != "" {
		return f.WithHint("Did you mean $(%s)?", near)
	}
	if slices.Contains(names, missing[0]+"_FILE") {
		return f.WithHint("It is too long for a variable: $(%s_FILE) is the path of a file that holds it.", missing[0])
	}
	return f.WithHint("Set %s; what is there only in some jobs the script reads from its environment. $$(%s) passes the text itself.", missing[0], missing[0])
}
