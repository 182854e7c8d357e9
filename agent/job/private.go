package job

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Private is the agent's own folder, closed to the child: AGENT_STATE_DIR, or one below the
// workspace's root.
type Private struct{ Dir string }

// own are the names of what the agent makes in its folder, and whether it is a folder.
var own = map[string]bool{
	"lock": false, "life.json": false, "outbox": true, "reported.json": false, "result.json": false, "scratch": true, "tensorboard": true,
	"training.log": false, "training.log.tail0": false, "training.log.tail1": false,
}

func isOwn(name string) bool { _, ok := own[name]; return ok }

func (p Private) path(name string) string { return filepath.Join(p.Dir, name) }

// Scratch is for private snapshots of checkpoints.
func (p Private) Scratch() string { return p.path("scratch") }

// ReportedFile remembers which epochs were read from result files.
func (p Private) ReportedFile() string { return p.path("reported.json") }

// Outbox holds the callbacks that are not delivered.
func (p Private) Outbox() string { return p.path("outbox") }

// TrainingLog is a copy of the child's output.
func (p Private) TrainingLog() string { return p.path("training.log") }

// EventFile is TensorBoard's of the life that started then; its name is as TensorBoard
// wants it, and sorts by time.
func (p Private) EventFile(started time.Time) string {
	return filepath.Join(p.path("tensorboard"), fmt.Sprintf("events.out.tfevents.%d.trainer-agent", started.UnixMilli()))
}

// ResultFile is result.json.
func (p Private) ResultFile() string { return p.path("result.json") }

// MarkerFile is the run marker.
func (p Private) MarkerFile() string { return p.path("life.json") }

// LockFile is there, and read by nobody, as long as the workspace is.
func (p Private) LockFile() string { return p.path("lock") }

// sweep removes pipes and links in the place of what the agent makes in its own folder: a
// pipe would hold it, and a link lead it elsewhere. Where the child is the same user, and
// the kernel has no Landlock, an earlier one may have left them. What has another name is
// somebody else's: AGENT_STATE_DIR may name any folder.
func (p Private) sweep() error {
	root, err := os.OpenRoot(p.Dir)
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
