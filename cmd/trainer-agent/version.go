package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"

	"github.com/vision-platform/trainer-agent/contract"
)

// VersionCmd prints what this binary is.
type VersionCmd struct {
	JSON bool `help:"Print JSON."`
}

// Help is shown below the flags.
func (VersionCmd) Help() string {
	return `Examples:
  trainer-agent version
  trainer-agent version --json`
}

// Run prints the version.
func (c VersionCmd) Run() error {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if !c.JSON {
		fmt.Printf("trainer-agent %s (%s, %s, %s)\n", contract.Version, contract.Commit, runtime.Version(), platform)
		return nil
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]string{
		"version": contract.Version, "commit": contract.Commit, "go": runtime.Version(), "platform": platform,
	})
}
