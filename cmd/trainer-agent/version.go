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
	if !c.JSON {
		fmt.Println(versionLine())
		return nil
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]string{
		"version": contract.Version, "commit": contract.Commit, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
	})
}

// versionLine is also what --version prints.
func versionLine() string {
	return fmt.Sprintf("trainer-agent %s (%s, %s, %s/%s)", contract.Version, contract.Commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
