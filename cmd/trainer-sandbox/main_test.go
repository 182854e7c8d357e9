package main

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets this test binary stand in for trainer-agent when it is called by
// that name, through a link.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "trainer-agent" {
		os.Exit(playAgent(os.Environ()))
	}
	goleak.VerifyTestMain(m)
}
