package training

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestACommandIsExpandedFromItsEnvironment(t *testing.T) {
	spec, err := Command{Args: []string{"python", "train.py", "--epochs=$(EPOCHS)"}}.Spec([]string{"EPOCHS=3"})
	if err != nil || !slices.Equal(spec.Args, []string{"python", "train.py", "--epochs=3"}) || !spec.Main || !spec.NoNewPrivs || spec.RunAs != nil {
		t.Errorf("%+v, %v", spec, err)
	}
}

func TestTheWorkspaceIsGivenToWhomTheProcessRunsAs(t *testing.T) {
	self := &process.Identity{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	ws := job.Workspace{Root: t.TempDir()}
	if err := ws.Open(); err != nil {
		t.Fatal(err)
	}
	spec, err := Command{Args: []string{"true"}, Workspace: ws, RunAs: self}.Spec(nil)
	if err != nil || spec.RunAs == nil || spec.RunAs.UID != self.UID {
		t.Errorf("%+v, %v", spec, err)
	}
	ws.Root = filepath.Join(ws.Root, "gone")
	_, err = Command{Args: []string{"true"}, Workspace: ws, RunAs: self}.Spec(nil)
	if f := contract.AsFailure(err); f == nil || f.Code != contract.CodeConfigInvalid || !strings.Contains(f.Message, "AGENT_RUN_AS="+self.String()) {
		t.Errorf("a workspace that cannot be given: %v", err)
	}
}
