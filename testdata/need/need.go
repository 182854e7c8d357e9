// Package need says what a test needs of the machine that it runs on: root, a
// program, the trainers' Python. It promises that what is missing is never read
// as passed: such a test is skipped at a desk, with a sentence, and fails where
// CI is set. It is for tests only and leaves trying the thing itself to them.
package need

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Missing ends a test that this machine cannot run; the text says what it needs.
func Missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("CI needs "+format, args...)
	}
	t.Skipf("NOT TESTED: this needs "+format, args...)
}

// Root is needed to drop rights, to make namespaces and cgroups.
func Root(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "root")
	}
}

// Program finds a program in PATH; install says how it comes there.
func Program(t *testing.T, name, install string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "%s (%s): %v", name, install, err)
	}
	return path
}

// Python is the interpreter of the trainers' virtual environment.
func Python(t *testing.T) string {
	t.Helper()
	path := filepath.Join(Venv(), "bin", "python")
	if _, err := os.Stat(path); err != nil {
		Missing(t, "the trainers' virtual environment (make venv-all): %v", err)
	}
	return path
}

// Venv is the folder of the trainers' virtual environment: TRAINER_VENV, else
// .venv of the repository. It may not be there.
func Venv() string {
	if venv, err := filepath.Abs(os.Getenv("TRAINER_VENV")); err == nil && os.Getenv("TRAINER_VENV") != "" {
		return venv
	}
	return filepath.Join(Repository(), ".venv")
}

// Repository is the repository's root: the folder with go.mod above the test.
func Repository() string {
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return "."
}
