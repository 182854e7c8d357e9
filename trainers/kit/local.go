package kit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/contract"
)

// Local is a job at a desk: one package, one dataset on disk, one workspace.
type Local struct {
	Package   string // the package's folder
	Dataset   string // folder or zip; empty means the package's sample
	Workspace string // folder of this run alone
}

// Environment is what the job needs and nobody has set. What capabilities.json
// says of the first supported model fills the names.
func (l Local) Environment(desk *Desk) (map[string]string, error) {
	dataset := l.Dataset
	if dataset == "" {
		dataset = filepath.Join(l.Package, "sample")
	}
	if _, err := os.Stat(dataset); err != nil {
		return nil, fmt.Errorf("there is no dataset %s: name one with --dataset (a folder or a zip in Platform Format)", dataset)
	}
	env := map[string]string{
		"JOB_ID": "try", "JOB_TYPE": string(contract.JobTraining), "STORAGE_TYPE": string(contract.StorageLocal), "DATASET_PATH": dataset,
		"WORKSPACE_DIR": l.Workspace, "AGENT_RESUME": "off", "EPOCHS": "3", "AGENT_FLUSH_TIMEOUT": "30s",
		"BACKEND_BASE_URL": desk.URL, "CALLBACK_TOKEN": desk.Token,
	}
	document, err := readCapabilities(l.Package)
	switch {
	case errors.Is(err, fs.ErrNotExist): // a bare script: only the person knows its task
		env["MODEL_NAME"] = "model"
	case err != nil:
		return nil, err
	default:
		env["FRAMEWORK"] = document.Framework
		if model, task, ok := firstModel(document); ok {
			env["MODEL_NAME"], env["TASK_TYPE"] = model, task
		}
	}
	return env, nil
}

// Record is where the callbacks of a try are written.
func (l Local) Record() string { return filepath.Join(l.Workspace, "callbacks.jsonl") }

// Checkpoints is where the checkpoints of a try are, as they would be in the bucket.
func (l Local) Checkpoints(job string) string {
	return filepath.Join(l.Workspace, "bucket", filepath.FromSlash(contract.CheckpointPrefix(job)))
}

func readCapabilities(dir string) (contract.Capabilities, error) {
	var document contract.Capabilities
	body, err := readDocument(filepath.Join(dir, "capabilities.json"))
	if err != nil {
		return document, err
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return document, fmt.Errorf("capabilities.json has not the form that docs/trainers.md describes: %w", err)
	}
	return document, nil
}

func firstModel(document contract.Capabilities) (model, task string, ok bool) {
	for _, m := range document.Models {
		if m.Supported && len(m.TaskTypes) > 0 {
			return m.ModelName, m.TaskTypes[0], true
		}
	}
	return "", "", false
}
