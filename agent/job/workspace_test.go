package job

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestWhatTheAgentNeverMakesInItsFolderIsRemoved(t *testing.T) {
	w := Workspace{Root: t.TempDir()}
	if err := w.Open(); err != nil {
		t.Fatal(err)
	}
	pipe, link, kept := w.Private().ResultFile(), filepath.Join(w.Private().Outbox(), "link"), filepath.Join(w.Private().Outbox(), "1.log")
	for _, err := range []error{
		os.Mkdir(w.Private().Outbox(), 0o700), os.WriteFile(kept, nil, 0o600), os.Symlink("/etc/passwd", link), syscall.Mkfifo(pipe, 0o600), w.Open(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, there := range map[string]bool{pipe: false, link: false, kept: true, "/etc/passwd": true} {
		if _, err := os.Lstat(path); (err == nil) != there {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// What a job finds in OUTPUT_DIR is uploaded as its own.
func TestTheOutputOfAnotherJobIsSetAside(t *testing.T) {
	w := Workspace{Root: t.TempDir()}
	claim := func(id string) string {
		if err := w.Open(); err != nil {
			t.Fatal(err)
		}
		aside, err := w.MakeRoom(id)
		if err != nil {
			t.Fatal(err)
		}
		return aside
	}
	results := filepath.Join(w.Output(), "results.json")
	leave := func() {
		if err := os.WriteFile(results, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if claim("a") != "" || claim("b") != "" {
		t.Error("nothing was there")
	}
	leave()
	if claim("b") != "" || !exists(results) {
		t.Error("a job that is started again has lost its output")
	}
	if aside := claim("c"); aside != w.Output()+"-of-b" || exists(results) || !exists(filepath.Join(aside, "results.json")) || !exists(w.Checkpoints()) {
		t.Errorf("aside in %q", aside)
	}
	claim("b")
	leave()
	if aside := claim("c"); aside != w.Output()+"-of-b+" {
		t.Errorf("aside in %q", aside)
	}
	leave()
	volume := filepath.Join(w.Root, "volume")
	if err := errors.Join(os.Rename(w.Output(), volume), os.Symlink(volume, w.Output())); err != nil {
		t.Fatal(err)
	}
	if _, err := w.MakeRoom("d"); err == nil || !strings.Contains(err.Error(), "holds what the job c has left") {
		t.Errorf("a link: %v", err)
	}
	if err := errors.Join(os.Remove(w.Output()), os.Rename(volume, w.Output()), os.WriteFile(filepath.Join(w.Root, ownerFile), []byte("../../etc"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if aside := claim("c"); aside != w.Output()+"-of-another-job" {
		t.Errorf("aside in %q", aside)
	}
}

func TestTheStateMayLieElsewhere(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	w, err := NewWorkspace(t.TempDir(), state)
	if err != nil || w.Open() != nil || w.Private().Dir != state {
		t.Errorf("%+v %v", w, err)
	}
	if _, err := os.Stat(filepath.Join(w.Root, ".agent")); err == nil {
		t.Error("there are two")
	}
}

// The remedy names the variable of the folder in which the name is taken.
func TestATakenNameIsToldWithItsVariable(t *testing.T) {
	for variable, name := range map[string]string{"AGENT_STATE_DIR": "state/outbox", "WORKSPACE_DIR": "root/runs"} {
		dir := t.TempDir()
		w := Workspace{Root: filepath.Join(dir, "root"), State: filepath.Join(dir, "state")}
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		failure, _ := errors.AsType[*contract.Failure](w.Open())
		if failure == nil || !strings.Contains(failure.Message, path) || !strings.Contains(failure.Hint, variable) {
			t.Errorf("%s: %+v", name, failure)
		}
	}
}

func TestTryingAWorkspaceLeavesNothingInIt(t *testing.T) {
	w := Workspace{Root: filepath.Join(t.TempDir(), "new")}
	if err := w.Try(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(w.Root); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if err := w.Open(); err != nil {
		t.Fatal(err)
	}
	if err := w.Try(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(w.Checkpoints()); err != nil {
		t.Errorf("a folder that was there is gone: %v", err)
	}
}

// Whoever gives the folder of something else as AGENT_STATE_DIR loses nothing there.
func TestWhatIsNotTheAgentsStaysInItsFolder(t *testing.T) {
	w := Workspace{Root: t.TempDir(), State: t.TempDir()}
	folder := filepath.Join(w.State, "lib")
	link, inside := filepath.Join(w.State, "bin"), filepath.Join(folder, "current")
	if err := errors.Join(os.Mkdir(folder, 0o700), os.Symlink("usr/bin", link), os.Symlink("v1", inside), w.Open()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, inside} {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s is gone: %v", path, err)
		}
	}
}
