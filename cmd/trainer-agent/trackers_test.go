package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/jobtest"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// mlflowServer starts a real one, of the environment that make venv-all makes for it.
func mlflowServer(t *testing.T) (address string) {
	t.Helper()
	program := filepath.Join(need.Venv(), "trackers", "bin", "mlflow")
	if _, err := os.Stat(program); err != nil {
		need.Missing(t, "MLflow (make venv-all): %v", err)
	}
	dir, host := t.TempDir(), jobtest.FreeAddress(t)
	name, port, _ := strings.Cut(host, ":")
	cmd := exec.Command(program, "server", "--host", name, "--port", port, "--workers", "1", "--backend-store-uri", "sqlite:///"+filepath.Join(dir, "runs.db"), "--default-artifact-root", dir)
	cmd.Env = []string{"PATH=" + filepath.Dir(program) + ":" + os.Getenv("PATH"), "HOME=" + dir, "MLFLOW_DISABLE_TELEMETRY=true"}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &log, &log, time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its web server is a process of its own
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
	})
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if answer, err := http.Get("http://" + host + "/health"); err == nil {
			_ = answer.Body.Close()
			// Its first write takes longer than a job waits at its end, on a busy machine.
			askMLflow(t, "http://"+host+"/api/2.0/mlflow/runs/create", `{"experiment_id": "0"}`, &struct{}{})
			return "http://" + host
		}
		select {
		case <-ended:
			t.Fatalf("MLflow ended:\n%s", log.String())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("MLflow does not answer")
		}
	}
}

// askMLflow posts a question and reads the answer.
func askMLflow(t *testing.T, url, body string, into any) {
	t.Helper()
	answer, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || json.Unmarshal(text, into) != nil {
		t.Fatalf("%s: %s %v\n%s", url, answer.Status, err, text)
	}
}

type mlflowRuns struct {
	Runs []struct {
		Info struct {
			RunName string `json:"run_name"`
			Status  string `json:"status"`
		} `json:"info"`
		Data struct {
			Metrics []struct {
				Key   string  `json:"key"`
				Value float64 `json:"value"`
				Step  int     `json:"step"`
			} `json:"metrics"`
			Params []struct{ Key, Value string } `json:"params"`
		} `json:"data"`
	} `json:"runs"`
}

func TestMetricsOfAJobAreInMLflow(t *testing.T) {
	server := mlflowServer(t)
	for scenario, c := range map[string]struct {
		exit   int
		status string
	}{"ok": {0, "FINISHED"}, "fails": {1, "FAILED"}} {
		j := newJob(t, scenario).with("MLFLOW_TRACKING_URI", server, "MLFLOW_EXPERIMENT_NAME", "cells").mustExit(c.exit)
		var found mlflowRuns
		askMLflow(t, server+"/api/2.0/mlflow/runs/search", `{"experiment_ids": ["1"], "filter": "tags.`+"`trainer.job_id`"+` = '`+j.id+`'"}`, &found)
		if len(found.Runs) != 1 || found.Runs[0].Info.Status != c.status || found.Runs[0].Info.RunName != j.id {
			t.Fatalf("%s: %+v\n%s", scenario, found, j.stderr.String())
		}
		if scenario != "ok" {
			continue
		}
		last := map[string]int{}
		for _, m := range found.Runs[0].Data.Metrics {
			last[m.Key] = m.Step
		}
		if last["mAP50-95"] != 3 {
			t.Errorf("the newest metrics are of the steps %v", last)
		}
	}
}

// The event file is read by TensorBoard itself.
func TestMetricsOfAJobAreInTensorBoard(t *testing.T) {
	t.Parallel()
	python := filepath.Join(need.Venv(), "trackers", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		need.Missing(t, "TensorBoard (make venv-all): %v", err)
	}
	if err := exec.Command(python, "-c", "import wandb").Run(); err != nil {
		need.Missing(t, "wandb (make venv-all): %v", err)
	}
	j := newJob(t, "ok").with("AGENT_TENSORBOARD", "true").mustExit(0)
	names := shared.Names(t, "logs/job-"+j.id+"/tensorboard/")
	if len(names) != 1 {
		t.Fatalf("event files: %v\n%s", names, j.stderr.String())
	}
	body, err := shared.Read(t.Context(), contract.EventFileKey(j.id, names[0]))
	dir := t.TempDir()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, names[0]), body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	read := exec.Command(python, "-c", `import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
print(json.dumps([[e.step, e.value] for e in events.Scalars("mAP50-95")]))`, dir)
	out, err := read.Output()
	var points [][2]float64
	if err != nil || json.Unmarshal(out, &points) != nil || len(points) != 3 || points[0][0] != 1 || points[2][0] != 3 || points[2][1] <= points[0][1] {
		t.Errorf("TensorBoard reads %s (%v)", out, err)
	}
	// The same file becomes a run of Weights & Biases, by its own package, offline.
	convert := exec.Command(python, "-m", "trainer_sdk.integrations.wandb", dir, "--id", j.id, "--dir", dir)
	convert.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(shared.root, "trainers", "sdk"), "WANDB_MODE=offline", "HOME="+dir, "TERM=dumb")
	out, err = convert.CombinedOutput()
	runs, _ := filepath.Glob(filepath.Join(dir, "wandb", "offline-run-*-"+j.id, "*.wandb"))
	if err != nil || len(runs) != 1 || !strings.Contains(string(out), "3 epochs are in") || !strings.Contains(string(out), "mAP50-95 ") {
		t.Errorf("W&B makes the runs %v of it (%v)\n%s", runs, err, out)
	}
}

// A tracker that is away costs a job nothing but lines in its log.
func TestAMetricsTrackerThatIsAwayChangesNoJob(t *testing.T) {
	t.Parallel()
	j := newJob(t, "ok").with("MLFLOW_TRACKING_URI", "http://user:hidden-password@127.0.0.1:1").mustExit(0)
	if text := j.stderr.String(); strings.Count(text, "the metrics tracker does not answer") != 1 || strings.Contains(text, "hidden-password") {
		t.Errorf("%s", text)
	}
}
