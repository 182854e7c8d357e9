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
	found, err := exec.LookPath(name) // nothing that PATH finds in the working directory
	if err != nil {
		return name
	}
	if abs, err := filepath.Abs(found); err == nil { // it is started in another folder
		return abs
	}
	return found
}
