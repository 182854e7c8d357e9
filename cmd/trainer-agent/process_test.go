package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// A training that says nothing may be at work, and one that only waits may say so.
func TestOneSignAloneIsNoHang(t *testing.T) {
	for _, scenario := range []string{"works-in-silence", "talks-idly"} {
		t.Run(scenario, func(t *testing.T) {
			j := newJob(t, scenario).with("AGENT_HANG_TIMEOUT", "2s", "AGENT_HANG_STOP", "true").mustExit(0)
			if hangs := j.events(contract.EventHangSuspected); len(hangs) != 0 {
				t.Errorf("suspected: %+v", hangs)
			}
		})
	}
}

func TestHangShowsWhereItHangs(t *testing.T) {
	j := newJob(t, "hangs-with-a-handler").with("AGENT_HANG_TIMEOUT", "1s", "AGENT_HANG_STOP", "true").mustExit(1)
	var data struct {
		Dumps int `json:"stack_dumps"`
	}
	if hangs := j.events(contract.EventHangSuspected); len(hangs) != 1 || json.Unmarshal(hangs[0].Data, &data) != nil || data.Dumps != 1 {
		t.Errorf("suspected: %+v", hangs)
	}
	if log := string(j.object(contract.TrainingLogKey(j.id))); !strings.Contains(log, "in waits_for_nobody") {
		t.Errorf("no stack in training.log: %s", log)
	}
}

// The child cannot know the agent's secrets, but may print one that it was told
// otherwise, in two writes.
func TestSecretInTheOutputIsMaskedAcrossItsPieces(t *testing.T) {
	half := len(token) / 2
	j := newJob(t, "says", "token="+token[:half], token[half:]+"!").mustExit(0)
	for where, text := range map[string]string{"stdout": j.stdout.String(), "training.log": string(j.object(contract.TrainingLogKey(j.id)))} {
		if strings.Contains(text, token) || !strings.Contains(text, "token=***!") {
			t.Errorf("%s: %q", where, text)
		}
	}
}

func TestRunAsCarriesAJobAndKeepsTheAgentsFilesClosed(t *testing.T) {
	need.Root(t)
	dir, err := os.MkdirTemp("/tmp", "trainer-agent-e2e-*") // the tests' own folders are closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	script, err := os.ReadFile(filepath.Join(shared.root, "testdata", "trainers", "scripted.py"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "scripted.py"), script, 0o644)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	j := newJob(t, "dumps")
	j.command[1] = filepath.Join(dir, "scripted.py")
	j.workspace = filepath.Join(dir, "workspace")
	j.with("WORKSPACE_DIR", j.workspace, "AGENT_RUN_AS", "12345:12345", "PATH", "/usr/local/bin:/usr/bin:/bin").mustExit(0)
	if s := j.seen(); s.UID != 12345 || s.Env["HOME"] != filepath.Join(j.workspace, "home") {
		t.Errorf("uid %d, HOME %s", s.UID, s.Env["HOME"])
	}
	look := exec.Command("ls", filepath.Join(j.workspace, ".agent"))
	look.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	if out, err := look.CombinedOutput(); err == nil {
		t.Errorf("the child's user can look into the agent's folder: %s", out)
	}
}

// A second request leaves two seconds, and the log says so.
func TestHurriedStopTellsTheGraceThatItGave(t *testing.T) {
	j := newJob(t, "ignores-term").with("AGENT_STOP_GRACE", "1h").start().ready()
	_ = j.cmd.Process.Signal(syscall.SIGTERM)
	j.until("the agent is stopping", func(calls []backend.Call) bool { return len(backend.Events(calls, contract.EventStopping)) > 0 })
	_ = j.cmd.Process.Signal(syscall.SIGTERM)
	if code := j.wait(); code != contract.ExitStopped {
		t.Fatalf("exit code %d\n%s", code, j.stderr.String())
	}
	if warnings := strings.Join(j.result().Warnings, "\n"); !strings.Contains(warnings, "did not end within 2") || !strings.Contains(warnings, "s of SIGTERM and was killed") {
		t.Errorf("warnings: %s", warnings)
	}
}
