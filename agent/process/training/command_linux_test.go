package training

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// A volume that is open to all is often root's, and an agent of another user cannot take
// it. It need not where the training is the same user.
func TestAWorkspaceOfRootsIsUsedByAnAgentThatIsTheTrainingsUser(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	root := filepath.Join(dir, "ws")
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.Mkdir(root, 0o700), os.Chmod(root, 0o777)); err != nil {
		t.Fatal(err)
	}
	const user = 2000
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // which ends with this function, and is the user until then
		_, _, gid := unix.RawSyscall(unix.SYS_SETRESGID, user, user, user)
		_, _, uid := unix.RawSyscall(unix.SYS_SETRESUID, user, user, user)
		if gid != 0 || uid != 0 {
			done <- errors.Join(gid, uid)
			return
		}
		ws := job.Workspace{Root: root}
		if err := ws.Open(); err != nil {
			done <- err
			return
		}
		_, err := Command{Args: []string{"true"}, Workspace: ws, RunAs: &process.Identity{UID: user, GID: user}}.Spec(nil)
		done <- err
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
