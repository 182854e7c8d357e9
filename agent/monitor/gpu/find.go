package gpu

import (
	"os"
	"os/exec"
	"path/filepath"
)

// FindProbe looks for the probe beside the agent before it looks in PATH, so that
// one of another version is not taken by chance.
func FindProbe(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), name); filepath.Base(name) == name {
			if _, err := os.Stat(beside); err == nil {
				return beside
			}
		}
	}
	if found, err := exec.LookPath(name); err == nil {
		return found
	}
	return name
}
