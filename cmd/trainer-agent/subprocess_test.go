package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/deploy/subprocess"
)

// driver is the rest of a backend in Python: it starts what it is given, cancels
// the last job when it is told to, and prints the exit codes.
const driver = `
import json, sys
from pathlib import Path
import spawn
given = json.loads(sys.stdin.readline())
agents = [spawn.spawn(job, command, Path(given["root"])) for job, command in zip(given["jobs"], given["commands"])]
sys.stdin.readline()
spawn.cancel(agents[-1])
codes = [agent.wait() for agent in agents]
print(json.dumps({"codes": codes, "outcomes": [spawn.outcome(c) for c in codes]}))
`

// The examples of docs/tiers.md run two jobs at once: they share one download,
// and the cancelled one does not disturb the other.
func TestBackendThatSpawnsSubprocesses(t *testing.T) {
	t.Setenv("PATH", filepath.Dir(shared.agent)+":"+os.Getenv("PATH"))
	for language, run := range map[string]func(*testing.T, []*job, string) []int{"go": spawnInGo, "python": spawnInPython} {
		t.Run(language, func(t *testing.T) {
			root := t.TempDir()
			dataset := "shared-" + language
			if err := shared.Put(contract.DatasetZipKey(dataset), tinyDataset()); err != nil {
				t.Fatal(err)
			}
			jobs := []*job{newJob(t, "ok").with("DATASET_ID", dataset), newJob(t, "waits").with("DATASET_ID", dataset)}
			for _, j := range jobs {
				delete(j.env, "WORKSPACE_DIR")
				j.workspace = filepath.Join(root, "jobs", j.id)
			}
			if codes := run(t, jobs, root); !slices.Equal(codes, []int{0, contract.ExitStopped}) {
				log, _ := os.ReadFile(filepath.Join(jobs[0].workspace, "agent.log"))
				t.Fatalf("exit codes %v\n%s", codes, log)
			}
			downloads := 0
			for _, j := range jobs {
				for _, e := range j.events(contract.EventDatasetDownloaded) {
					if strings.Contains(string(e.Data), `"cached":false`) {
						downloads++
					}
				}
			}
			if downloads != 1 {
				t.Errorf("the dataset was downloaded %d times", downloads)
			}
			if jobs[0].done().Status != contract.StatusSucceeded || jobs[1].done().Error.Code != contract.CodeStopped {
				t.Error("done is not the outcome")
			}
		})
	}
}

func spawnInGo(t *testing.T, jobs []*job, root string) (codes []int) {
	var agents []*exec.Cmd
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i, j := range jobs {
		of := t.Context()
		if i == 1 {
			of = ctx
		}
		agent, err := subprocess.Spawn(of, j.env, j.command, root)
		if err != nil {
			t.Fatal(err)
		}
		agents = append(agents, agent)
	}
	jobs[1].ready()
	cancel()
	for _, agent := range agents {
		_ = agent.Wait() // the exit code tells
		codes = append(codes, agent.ProcessState.ExitCode())
	}
	if got := []string{subprocess.Outcome(codes[0]), subprocess.Outcome(codes[1]), subprocess.Outcome(-1)}; !slices.Equal(got, []string{"succeeded", "stopped", "run it again"}) {
		t.Errorf("outcomes %v", got)
	}
	return codes
}

func spawnInPython(t *testing.T, jobs []*job, root string) []int {
	given := map[string]any{"root": root, "jobs": []any{}, "commands": []any{}}
	for _, j := range jobs {
		given["jobs"] = append(given["jobs"].([]any), maps.Clone(j.env))
		given["commands"] = append(given["commands"].([]any), j.command)
	}
	line, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	python := exec.Command("python3", "-c", driver)
	python.Dir = filepath.Join(shared.root, "deploy", "subprocess")
	python.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	python.Stderr = os.Stderr
	in, errIn := python.StdinPipe()
	out, errOut := python.StdoutPipe()
	if errIn != nil || errOut != nil {
		t.Fatal(errIn, errOut)
	}
	if err := python.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = python.Wait() })
	_, _ = fmt.Fprintf(in, "%s\n", line)
	jobs[1].ready()
	_, _ = io.WriteString(in, "cancel\n")
	answer, err := bufio.NewReader(out).ReadString('\n')
	var said struct {
		Codes    []int
		Outcomes []string
	}
	if err != nil || json.Unmarshal([]byte(answer), &said) != nil || !slices.Equal(said.Outcomes, []string{"succeeded", "stopped"}) {
		t.Fatalf("%v %q", err, answer)
	}
	return said.Codes
}
