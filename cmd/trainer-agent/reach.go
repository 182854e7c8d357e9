package main

import (
	"os"

	"github.com/vision-platform/trainer-agent/agent/process/isolation"
)

// ReachCmd is what the agent runs as its child will be run, to see what that can open.
type ReachCmd struct {
	Paths []string `arg:"" optional:"" passthrough:"" help:"Files to try."`
}

// Run tries.
func (c ReachCmd) Run() error { return isolation.Reach(os.Stdout, c.Paths) }
