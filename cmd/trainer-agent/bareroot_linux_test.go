package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/cmd/trainer-gpu/fake"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// musl is the libc of Alpine and the like, as Debian's package of that name has it.
const musl = "/lib/ld-musl-x86_64.so.1"

// A scratch image holds static binaries and nothing else, an Alpine one has musl.
// The agent carries a job in both; the probe, which needs glibc, does not start, and
// that is one line in the log.
func TestImageWithoutGlibcCarriesAJob(t *testing.T) {
	if err := exec.Command("unshare", "--mount", "--pid", "--fork", "true").Run(); err != nil {
		need.Missing(t, "root and unshare: %v", err)
	}
	probe := fake.Probe(t)
	trainer := filepath.Join(t.TempDir(), "trainer")
	if err := need.Build(trainer, "./testdata/trainers/static"); err != nil {
		t.Fatal(err)
	}
	const probeAt = "/usr/local/bin/trainer-gpu"
	for name, c := range map[string]struct {
		files map[string]string // in the image → here
		says  string
	}{
		"empty, no probe": {nil, "the probe can't be started"},
		"empty":           {map[string]string{probeAt: probe}, "there is no glibc in this image"},
		"musl":            {map[string]string{probeAt: probe, musl: musl}, "there is no glibc in this image"},
		// As Alpine's libc6-compat: musl under the name of glibc's loader.
		"musl that poses as glibc": {
			map[string]string{probeAt: probe, musl: musl, "/lib64/ld-linux-x86-64.so.2": musl},
			"exit code 127 without a word; another libc, an older glibc or a missing library",
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, "")
			j.image = t.TempDir()
			j.workspace = filepath.Join(j.image, "workspace")
			j.copyIn(shared.agent, "/usr/local/bin/trainer-agent")
			j.copyIn(trainer, "/trainer")
			for to, from := range c.files {
				if _, err := os.Stat(from); err != nil {
					need.Missing(t, "musl (apt-get install musl): %v", err)
				}
				j.copyIn(from, to)
			}
			if err := os.WriteFile(filepath.Join(j.image, "tiny.zip"), tinyDataset(), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(j.image, "proc"), 0o755); err != nil { // every runtime mounts it
				t.Fatal(err)
			}
			j.command = []string{"/trainer"}
			j.with("STORAGE_TYPE", "local", "DATASET_PATH", "/tiny.zip", "DATASET_ID", "", "S3_ENDPOINT", "", "AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "",
				"WORKSPACE_DIR", "/workspace", "NVIDIA_VISIBLE_DEVICES", "all", "HOME", "/").mustExit(0)
			if d := j.done(); d.Status != contract.StatusSucceeded || d.CheckpointPath == nil {
				t.Errorf("done: %+v", d)
			}
			if got := j.epochsHeard(); len(got) != 3 {
				t.Errorf("heartbeats of epochs %v", got)
			}
			if n := strings.Count(j.stderr.String(), "GPUs are not watched"); n != 1 || !strings.Contains(j.stderr.String(), c.says) {
				t.Errorf("%d lines say why GPUs are not watched, want one with %q\n%s", n, c.says, j.stderr.String())
			}
			for line := range strings.Lines(j.stderr.String()) { // the first process of a container: a collector reads it
				if !json.Valid([]byte(line)) {
					t.Errorf("not JSON: %s", line)
				}
			}
			if len(j.events(contract.EventGPUWarning))+len(j.events(contract.EventGPUError)) != 0 {
				t.Error("a probe that can't start raised GPU events")
			}
		})
	}
}

// copyIn puts a program into the job's image.
func (j *job) copyIn(from, to string) {
	j.t.Helper()
	b, err := os.ReadFile(from)
	path := filepath.Join(j.image, to)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, b, 0o755)
	}
	if err != nil {
		j.t.Fatal(err)
	}
}
