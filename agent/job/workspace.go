package job

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/vision-platform/trainer-agent/agent/internal/filelock"
	"github.com/vision-platform/trainer-agent/contract"
)

// Workspace is the layout of WORKSPACE_DIR. The zero value is none.
type Workspace struct {
	Root  string
	State string // AGENT_STATE_DIR; "" = a folder of the root
}

// Dataset is where the dataset is unpacked.
func (w Workspace) Dataset() string { return filepath.Join(w.Root, "dataset") }

// Prepared is the converted dataset.
func (w Workspace) Prepared() string { return filepath.Join(w.Root, "prepared") }

// Weights is where pretrained weights are.
func (w Workspace) Weights() string { return filepath.Join(w.Root, "weights") }

// Inputs is where the checkpoints and images of inference and export are, and the
// checkpoint that is resumed from.
func (w Workspace) Inputs() string { return filepath.Join(w.Root, "inputs") }

// Output is OUTPUT_DIR: what the child makes.
func (w Workspace) Output() string { return filepath.Join(w.Root, "runs") }

// Checkpoints is CHECKPOINT_DIR.
func (w Workspace) Checkpoints() string { return filepath.Join(w.Output(), "checkpoints") }

// Given are the folders of what the child only reads.
func (w Workspace) Given() []string {
	return []string{w.Dataset(), w.Prepared(), w.Weights(), w.Inputs(), w.Lists()}
}

// Private is the agent's own folder.
func (w Workspace) Private() Private {
	if w.State != "" {
		return Private{w.State}
	}
	return Private{filepath.Join(w.Root, ".agent")}
}

type folder struct {
	path string
	mode os.FileMode
}

func (w Workspace) folders() []folder {
	return []folder{{w.Root, 0o755}, {w.Private().Dir, 0o700}, {w.Output(), 0o755}, {w.Checkpoints(), 0o755}, {w.Home(), 0o755}}
}

// Try opens the workspace and takes away again what that made below its root.
func (w Workspace) Try() error {
	for _, dir := range w.folders()[1:] {
		if _, err := os.Lstat(dir.path); errors.Is(err, fs.ErrNotExist) {
			defer func() { _ = os.Remove(dir.path) }()
		}
	}
	return w.Open()
}

// Open makes the folders and proves that they can be written to. The agent's
// own folder is closed to the child's user.
func (w Workspace) Open() error {
	if err := w.taken(); err != nil {
		return err
	}
	for _, dir := range w.folders() {
		if err := os.MkdirAll(dir.path, dir.mode); err != nil {
			return w.Unwritable(err)
		}
	}
	if err := w.Private().sweep(); err != nil {
		return w.Unwritable(err)
	}
	probe, err := os.CreateTemp(w.Private().Dir, "probe-*")
	if err != nil {
		return w.Unwritable(err)
	}
	defer func() { _ = os.Remove(probe.Name()) }()
	if _, err := probe.WriteString("x"); err != nil {
		_ = probe.Close()
		return w.Unwritable(err)
	}
	if err := probe.Close(); err != nil {
		return w.Unwritable(err)
	}
	return nil
}

// taken refuses a workspace where something else has the name of what the agent makes. A
// link to a folder may stand for it. What sweep removes is no obstacle.
func (w Workspace) taken() error {
	wanted := map[string]bool{}
	for name, folder := range own {
		if info, err := os.Lstat(w.Private().path(name)); err == nil && (info.IsDir() || info.Mode().IsRegular()) {
			wanted[w.Private().path(name)] = folder
		}
	}
	for _, dir := range w.folders() {
		wanted[dir.path] = true
	}
	for _, dir := range w.Given() {
		wanted[dir] = true
	}
	for _, path := range slices.Sorted(maps.Keys(wanted)) {
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		if info, err := os.Stat(path); err != nil || info.IsDir() != wanted[path] {
			makes := "file"
			if wanted[path] {
				makes = "folder"
			}
			variable := "WORKSPACE_DIR"
			if w.State != "" && (path == w.State || filepath.Dir(path) == w.State) {
				variable = "AGENT_STATE_DIR"
			}
			return contract.Failf(contract.CodeConfigInvalid, "%s is not the %s that the agent makes there.", path, makes).
				WithHint("Remove it, or set %s to another folder.", variable)
		}
	}
	return nil
}

// Unwritable is the failure of a job whose workspace takes nothing.
func (w Workspace) Unwritable(err error) error {
	return contract.Failf(contract.CodeConfigInvalid, "the workspace %s cannot be written to: %w.", w.Root, err).
		WithHint("Set WORKSPACE_DIR to a folder that user %d can write to.", os.Getuid())
}

// NewWorkspace makes the paths absolute, because the child may change directory. state
// may be empty.
func NewWorkspace(root, state string) (w Workspace, err error) {
	if w.Root, err = filepath.Abs(root); err == nil && state != "" {
		w.State, err = filepath.Abs(state)
	}
	if err != nil {
		return Workspace{}, fmt.Errorf("finding the workspace: %w", err)
	}
	return w, nil
}

// Lock makes this agent the only one in the workspace until unlock.
func (w Workspace) Lock() (unlock func(), err error) {
	held, err := filelock.Try(w.Private().LockFile())
	if errors.Is(err, filelock.ErrHeld) {
		return nil, contract.Failf(contract.CodeConfigInvalid, "another agent is at work in the workspace %s.", w.Root).
			WithHint("Give each job a WORKSPACE_DIR of its own.")
	}
	if err != nil {
		return nil, w.Unwritable(err)
	}
	return func() { _ = held.Unlock() }, nil
}
