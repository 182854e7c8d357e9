package kit

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// Script is the file of a trainer package that does a kind of job (contract, section 9).
// A test run is evaluate.py's where the package has one, else predict.py's.
func Script(dir string, t contract.JobType, inference contract.InferenceType) (string, error) {
	names := []string{"train.py"}
	switch {
	case t == contract.JobExport:
		names = []string{"export.py"}
	case t == contract.JobInference && inference == contract.InferenceTestRun:
		names = []string{"evaluate.py", "predict.py"}
	case t == contract.JobInference:
		names = []string{"predict.py"}
	}
	for _, name := range names {
		if path := filepath.Join(dir, name); regular(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("the trainer in %s has no %s", dir, strings.Join(names, " or "))
}
