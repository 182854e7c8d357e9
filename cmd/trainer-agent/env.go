package main

import (
	"fmt"
	"os"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/contract/spelling"
)

// EnvCmd prints docs/environment.md, or what it says of one variable.
type EnvCmd struct {
	Name string `arg:"" optional:"" help:"One variable; without it the whole reference is printed."`
}

// Help is shown below the flags.
func (EnvCmd) Help() string {
	return `Examples:
  trainer-agent env
  trainer-agent env AGENT_STOP_GRACE
  trainer-agent env > docs/environment.md`
}

// Run prints the reference.
func (c EnvCmd) Run() error {
	if c.Name == "" {
		return config.WriteReference(os.Stdout)
	}
	d, ok := config.Describe(c.Name)
	if !ok {
		hint := `"trainer-agent env" lists them`
		if near := spelling.Nearest(c.Name, config.Names()); near != "" {
			hint = "did you mean " + near + "?"
		}
		return fmt.Errorf("%s is no variable of the agent: %s", c.Name, hint)
	}
	variable(d).print(os.Stdout)
	return nil
}
