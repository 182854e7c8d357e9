package main

import (
	"os"

	"github.com/vision-platform/trainer-agent/agent/config"
)

// EnvCmd prints docs/environment.md.
type EnvCmd struct{}

// Help is shown below the flags.
func (EnvCmd) Help() string {
	return `Examples:
  trainer-agent env
  trainer-agent env > docs/environment.md`
}

// Run prints the reference.
func (EnvCmd) Run() error { return config.WriteReference(os.Stdout) }
