package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/contract"
)

// workspace is the layout of WORKSPACE_DIR.
type workspace struct{ root string }

func (w workspace) dataset() string     { return filepath.Join(w.root, "dataset") }
func (w workspace) prepared() string    { return filepath.Join(w.root, "prepared") }
func (w workspace) weights() string     { return filepath.Join(w.root, "weights") }
func (w workspace) inputs() string      { return filepath.Join(w.root, "inputs") }
func (w workspace) output() string      { return filepath.Join(w.root, "runs") }
func (w workspace) checkpoints() string { return filepath.Join(w.output(), "checkpoints") }
func (w workspace) private() string     { return filepath.Join(w.root, ".agent") }
func (w workspace) scratch() string     { return filepath.Join(w.private(), "scratch") }
func (w workspace) best() string        { return filepath.Join(w.private(), "best.json") }
func (w workspace) reported() string    { return filepath.Join(w.private(), "reported.json") }
func (w workspace) outbox() string      { return filepath.Join(w.private(), "outbox") }
func (w workspace) trainingLog() string { return filepath.Join(w.private(), "training.log") }
func (w workspace) result() string      { return filepath.Join(w.private(), "result.json") }
func (w workspace) life() string        { return filepath.Join(w.private(), "life.json") }
func (w workspace) lock() string        { return filepath.Join(w.private(), "lock") }

type folder struct {
	path string
	mode os.FileMode
}

func (w workspace) folders() []folder {
	return []folder{{w.root, 0o755}, {w.private(), 0o700}, {w.output(), 0o755}, {w.checkpoints(), 0o755}}
}

// try opens the workspace and takes away again what that made below its root.
func (w workspace) try() error {
	for _, dir := range w.folders()[1:] {
		if _, err := os.Lstat(dir.path); errors.Is(err, fs.ErrNotExist) {
			defer func() { _ = os.Remove(dir.path) }()
		}
	}
	return w.open()
}

// open makes the folders and proves that they can be written to. The agent's
// own folder is closed to the child's user.
func (w workspace) open() error {
	for _, dir := range w.folders() {
		if err := os.MkdirAll(dir.path, dir.mode); err != nil {
			return w.unwritable(err)
		}
	}
	probe, err := os.CreateTemp(w.private(), "probe-*")
	if err != nil {
		return w.unwritable(err)
	}
	defer func() { _ = os.Remove(probe.Name()) }()
	if _, err := probe.WriteString("x"); err != nil {
		_ = probe.Close()
		return w.unwritable(err)
	}
	if err := probe.Close(); err != nil {
		return w.unwritable(err)
	}
	return nil
}

func (w workspace) unwritable(err error) error {
	return contract.Failf(contract.CodeConfigInvalid, "the workspace %s cannot be written to: %w.", w.root, err).
		WithHint("Set WORKSPACE_DIR to a folder that user %d can write to.", os.Getuid())
}

// absolute makes the root absolute, because the child may change directory.
func newWorkspace(root string) (workspace, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return workspace{}, fmt.Errorf("finding the workspace: %w", err)
	}
	return workspace{abs}, nil
}

// acquire makes this agent the only one in the workspace until unlock.
func (w workspace) acquire() (unlock func(), err error) {
	f, err := os.OpenFile(w.lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, w.unwritable(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, contract.Failf(contract.CodeConfigInvalid, "another agent is at work in the workspace %s.", w.root).
			WithHint("Give each job a WORKSPACE_DIR of its own.")
	}
	return func() { _ = f.Close() }, nil // the lock goes with the file
}
