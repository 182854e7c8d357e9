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

// python is the interpreter of the project's environment.
func python(t *testing.T) string {
	t.Helper()
	venv := os.Getenv("TRAINER_VENV")
	if venv == "" {
		venv = filepath.Join("..", "..", ".venv")
	}
	path, err := filepath.Abs(filepath.Join(venv, "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: make venv", path)
		}
		t.Skipf("%s is missing: make venv", path)
	}
	return path
}
