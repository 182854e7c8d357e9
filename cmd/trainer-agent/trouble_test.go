package main_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
)

// zipOf makes an archive of names and contents.
func zipOf(files map[string]string) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, text := range files {
		f, _ := w.Create(name)
		_, _ = f.Write([]byte(text))
	}
	_ = w.Close()
	return out.Bytes()
}

func TestBadDatasets(t *testing.T) {
	whole := tinyDataset()
	noImages, _ := json.Marshal(map[string]any{
		"classes": []any{map[string]any{"id": 0, "name": "cat"}},
		"images":  []any{map[string]any{"id": 1, "file_name": "gone.png", "width": 9, "height": 9, "annotations": []any{}}},
	})
	for name, c := range map[string]struct {
		body []byte
		code contract.Code
		says string
	}{
		"not-a-zip":      {[]byte("this is no archive"), contract.CodeDatasetInvalid, "zip"},
		"truncated":      {whole[:len(whole)/2], contract.CodeDatasetInvalid, "zip"},
		"no-annotations": {zipOf(map[string]string{"images/a.png": "x", "readme.txt": "y"}), contract.CodeDatasetInvalid, "annotations"},
		"bad-json":       {zipOf(map[string]string{"annotations.json": "{\"images\": [", "images/a.png": "x"}), contract.CodeDatasetInvalid, "annotations.json"},
		"images-missing": {zipOf(map[string]string{"annotations.json": string(noImages), "images/other.txt": "x"}), contract.CodeDatasetInvalid, "gone.png"},
		"escapes":        {zipOf(map[string]string{"../evil.txt": "x", "annotations.json": "{}"}), contract.CodeDatasetInvalid, ".."},
		"absent":         {nil, contract.CodeDatasetNotFound, "datasets/bad-absent.zip"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.body != nil {
				if err := shared.Put("datasets/bad-"+name+".zip", c.body); err != nil {
					t.Fatal(err)
				}
			}
			j := newJob(t, "ok").with("DATASET_ID", "bad-"+name).mustExit(1)
			d := j.done()
			if d.Error == nil || d.Error.Code != c.code || !strings.Contains(*d.ErrorMessage, c.says) || d.ExitCode != nil {
				t.Errorf("want %s saying %q, got %+v", c.code, c.says, d.Error)
			}
			for _, dir := range []string{"dataset", "prepared"} {
				if left, _ := os.ReadDir(filepath.Join(j.workspace, dir)); dir == "prepared" && len(left) > 0 {
					t.Errorf("%s is left half-written: %v", dir, left)
				}
			}
			if _, err := os.Stat(filepath.Join(j.workspace, "..", "evil.txt")); err == nil {
				t.Error("the archive wrote outside the workspace")
			}
		})
	}
}

func TestBucketThatRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		set  []string
		code contract.Code
		says string
	}{
		"wrong secret":   {[]string{"AWS_SECRET_ACCESS_KEY", "not-the-secret"}, contract.CodeStorageForbidden, "AWS_SECRET_ACCESS_KEY"},
		"wrong key":      {[]string{"AWS_ACCESS_KEY_ID", "nobody"}, contract.CodeStorageForbidden, "AWS_ACCESS_KEY_ID"},
		"missing bucket": {[]string{"BUCKET_NAME", "no-such-bucket"}, "", "no-such-bucket"},
		"nobody listens": {[]string{"S3_ENDPOINT", "http://127.0.0.1:1"}, contract.CodeStorageError, "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, "ok").with(c.set...).start()
			code := j.wait()
			d := j.done()
			if d.Error == nil || (c.code != "" && d.Error.Code != c.code) || !strings.Contains(*d.ErrorMessage, c.says) {
				t.Fatalf("want %s saying %q, got %+v", c.code, c.says, d.Error)
			}
			if want := d.Error.Code.ExitCode(); code != want {
				t.Errorf("exit code %d, want %d", code, want)
			}
		})
	}
}

func TestWrongEnvironmentIsReportedToTheBackend(t *testing.T) {
	j := newJob(t, "ok").with("EPOCHS", "many", "BATCH_SIZE", "0").mustExit(1)
	d := j.done()
	if d.Error.Code != contract.CodeConfigInvalid || !strings.Contains(*d.ErrorMessage, "EPOCHS") || !strings.Contains(*d.ErrorMessage, "BATCH_SIZE") {
		t.Errorf("%+v", d.Error)
	}
}

func TestUnwritableWorkspace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, "ok").with("WORKSPACE_DIR", filepath.Join(file, "ws")).mustExit(1)
	if text := j.stderr.String(); !strings.Contains(text, "WORKSPACE_DIR") {
		t.Errorf("%s", text)
	}
	if d := j.done(); d.Status != contract.StatusFailed || d.Error == nil || d.Error.Code != contract.CodeConfigInvalid {
		t.Errorf("the backend was told %+v", d)
	}
}

func TestBackendThatFailsDoesNotDisturbTheJob(t *testing.T) {
	j := newJob(t, "ok")
	if _, err := shared.Backend.AddFault(backend.Fault{Job: j.id, Status: 503, RetryAfter: "0", Calls: 4}); err != nil {
		t.Fatal(err)
	}
	j.mustExit(0)
	if d := j.done(); d.Status != contract.StatusSucceeded {
		t.Errorf("%+v", d)
	}
}

func TestUndeliveredGoesToTheBucketAndIsReplayed(t *testing.T) {
	j := newJob(t, "quick")
	id, err := shared.Backend.AddFault(backend.Fault{Job: j.id, Drop: true})
	if err != nil {
		t.Fatal(err)
	}
	j.with("AGENT_FLUSH_TIMEOUT", "5s").mustExit(contract.ExitUndelivered)
	if j.object(contract.UndeliveredKey(j.id)) == nil {
		t.Fatalf("no undelivered.jsonl\n%s", j.stderr.String())
	}
	shared.Backend.RemoveFault(id)
	address := contract.URI(bucket, contract.UndeliveredKey(j.id))
	lines := strings.Split(strings.TrimSpace(j.stderr.String()), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "done was not delivered") || !strings.Contains(last, "trainer-agent replay --from "+address) {
		t.Errorf("the last line does not say how done is delivered: %s", last)
	}
	file := filepath.Join(t.TempDir(), "undelivered.jsonl")
	if err := os.WriteFile(file, j.object(contract.UndeliveredKey(j.id)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{address, file, file, address} { // safe to run again, from wherever
		replay := newJob(t, "")
		replay.cmd = command(j, "replay", "--from", from)
		if out, err := replay.cmd.CombinedOutput(); err != nil {
			t.Fatalf("replay: %v\n%s", err, out)
		}
	}
	if d := j.done(); d.Status != contract.StatusSucceeded {
		t.Errorf("%+v", d)
	}
	gone := newJob(t, "")
	gone.cmd = command(j, "replay", "--job", j.id, "--from", address+".gone")
	if out, err := gone.cmd.CombinedOutput(); gone.cmd.ProcessState.ExitCode() != contract.ExitFailed || !strings.Contains(string(out), "there is no such object") {
		t.Errorf("a replay of nothing: %v\n%s", err, out)
	}
	for _, nothing := range []string{"", "\n\n"} {
		if err := os.WriteFile(file, []byte(nothing), 0o600); err != nil {
			t.Fatal(err)
		}
		empty := newJob(t, "")
		empty.cmd = command(j, "replay", "--job", j.id, "--from", file)
		if out, err := empty.cmd.CombinedOutput(); empty.cmd.ProcessState.ExitCode() != contract.ExitFailed || !strings.Contains(string(out), "has no messages") {
			t.Errorf("a replay of %q: %v\n%s", nothing, err, out)
		}
	}
}

func TestKilledAgentLosesNothing(t *testing.T) {
	j := newJob(t, "waits")
	id, err := shared.Backend.AddFault(backend.Fault{Job: j.id, Kind: contract.KindHeartbeat, Drop: true})
	if err != nil {
		t.Fatal(err)
	}
	j.start()
	j.until("the first heartbeat was tried", func(calls []backend.Call) bool {
		for _, c := range calls {
			if c.Kind == contract.KindHeartbeat {
				return true
			}
		}
		return false
	})
	j.killAll()
	shared.Backend.RemoveFault(id)
	j.command[2] = "ok"
	j.mustExit(0)
	var first contract.Heartbeat
	beats := backend.Accepted(j.calls(), contract.KindHeartbeat)
	if err := beats[0].Decode(&first); err != nil || first.Epoch != 1 || len(first.Metrics) != 1 {
		t.Errorf("the heartbeat of the first life is lost: %+v %v", first, err)
	}
	j.done()
}

func TestSecondAgentInTheSameWorkspaceIsRefused(t *testing.T) {
	j := newJob(t, "waits").start().ready()
	other := newJob(t, "ok").with("WORKSPACE_DIR", j.workspace).mustExit(1)
	if !strings.Contains(other.stderr.String(), "another agent") {
		t.Errorf("%s", other.stderr.String())
	}
	_ = j.cmd.Process.Signal(syscall.SIGTERM)
	j.wait()
}

func TestStopDuringTheDownloadIsPrompt(t *testing.T) {
	var big bytes.Buffer
	w := zip.NewWriter(&big)
	f, _ := w.CreateHeader(&zip.FileHeader{Name: "images/big.bin", Method: zip.Store})
	_, _ = f.Write(make([]byte, 8<<20))
	_ = w.Close()
	if err := shared.Put("datasets/big.zip", big.Bytes()); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, "ok").with("DATASET_ID", "big", "AGENT_DOWNLOAD_BANDWIDTH", "64KiB").start()
	j.until("the agent has started", func(calls []backend.Call) bool { return len(backend.Events(calls, contract.EventAgentStarted)) > 0 })
	_ = j.cmd.Process.Signal(syscall.SIGTERM)
	if code := j.wait(); code != contract.ExitStopped {
		t.Fatalf("exit code %d\n%s", code, j.stderr.String())
	}
	if d := j.done(); d.Error.Code != contract.CodeStopped || d.ExitCode != nil {
		t.Errorf("%+v", d)
	}
}

// A node may be drained while a job that is done training waits for its backend.
func TestStopDuringTheFlushStillLeavesTheFinalCallback(t *testing.T) {
	j := newJob(t, "quick")
	if _, err := shared.Backend.AddFault(backend.Fault{Job: j.id, Drop: true}); err != nil {
		t.Fatal(err)
	}
	j.with("AGENT_FLUSH_TIMEOUT", "1h").start()
	j.until("the end of the training was tried", func(calls []backend.Call) bool {
		return j.object(contract.ManifestKey(j.id)) != nil && j.object(contract.TrainingLogKey(j.id)) == nil && len(calls) > 3
	})
	_ = j.cmd.Process.Signal(syscall.SIGTERM)
	if code := j.wait(); code != contract.ExitUndelivered {
		t.Fatalf("exit code %d\n%s", code, j.stderr.String())
	}
	if j.object(contract.UndeliveredKey(j.id)) == nil || j.result().NotDelivered == 0 {
		t.Errorf("the last words are lost: %+v", j.result())
	}
}
