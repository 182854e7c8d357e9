package job

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

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

// Private is the agent's own, closed to the child.
func (w Workspace) Private() string {
	if w.State != "" {
		return w.State
	}
	return filepath.Join(w.Root, ".agent")
}

// Scratch is for private snapshots of checkpoints.
func (w Workspace) Scratch() string { return filepath.Join(w.Private(), "scratch") }

// ReportedFile remembers which epochs were read from result files.
func (w Workspace) ReportedFile() string { return filepath.Join(w.Private(), "reported.json") }

// Outbox holds the callbacks that are not delivered.
func (w Workspace) Outbox() string { return filepath.Join(w.Private(), "outbox") }

// TrainingLog is a copy of the child's output.
func (w Workspace) TrainingLog() string { return filepath.Join(w.Private(), "training.log") }

// EventFile is TensorBoard's of the life that started then; its name is as TensorBoard
// wants it, and sorts by time.
func (w Workspace) EventFile(started time.Time) string {
	return filepath.Join(w.Private(), "tensorboard", fmt.Sprintf("events.out.tfevents.%d.trainer-agent", started.UnixMilli()))
}

// ResultFile is result.json.
func (w Workspace) ResultFile() string { return filepath.Join(w.Private(), "result.json") }

// MarkerFile is the run marker.
func (w Workspace) MarkerFile() string { return filepath.Join(w.Private(), "life.json") }

// LockFile is there, and read by nobody, as long as the workspace is.
func (w Workspace) LockFile() string { return filepath.Join(w.Private(), "lock") }

type folder struct {
	path string
	mode os.FileMode
}

func (w Workspace) folders() []folder {
	return []folder{{w.Root, 0o755}, {w.Private(), 0o700}, {w.Output(), 0o755}, {w.Checkpoints(), 0o755}, {w.Home(), 0o755}}
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
	if err := w.sweep(); err != nil {
		return w.Unwritable(err)
	}
	probe, err := os.CreateTemp(w.Private(), "probe-*")
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

// own are the names of what the agent makes in its folder, and whether it is a folder.
var own = map[string]bool{
	"lock": false, "life.json": false, "outbox": true, "reported.json": false, "result.json": false, "scratch": true, "tensorboard": true,
	"training.log": false, "training.log.tail0": false, "training.log.tail1": false,
}

// taken refuses a workspace where something else has the name of what the agent makes. A
// link to a folder may stand for it. What sweep removes is no obstacle.
func (w Workspace) taken() error {
	wanted := map[string]bool{}
	for name, folder := range own {
		if info, err := os.Lstat(filepath.Join(w.Private(), name)); err == nil && (info.IsDir() || info.Mode().IsRegular()) {
			wanted[filepath.Join(w.Private(), name)] = folder
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

func isOwn(name string) bool { _, ok := own[name]; return ok }

// sweep removes pipes and links in the place of what the agent makes in its own folder: a
// pipe would hold it, and a link lead it elsewhere. Where the child is the same user, and
// the kernel has no Landlock, an earlier one may have left them. What has another name is
// somebody else's: AGENT_STATE_DIR may name any folder.
func (w Workspace) sweep() error {
	root, err := os.OpenRoot(w.Private())
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if name, _, _ := strings.Cut(path, "/"); path != "." && !isOwn(name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if err != nil || d.IsDir() || d.Type().IsRegular() {
			return err
		}
		return root.Remove(path)
	})
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
	held, err := filelock.Try(w.LockFile())
	if errors.Is(err, filelock.ErrHeld) {
		return nil, contract.Failf(contract.CodeConfigInvalid, "another agent is at work in the workspace %s.", w.Root).
			WithHint("Give each job a WORKSPACE_DIR of its own.")
	}
	if err != nil {
		return nil, w.Unwritable(err)
	}
	return func() { _ = held.Unlock() }, nil
}
