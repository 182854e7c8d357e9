package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/jobtest"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// A package is published; somebody else installs it, and a job of the platform trains with
// it. What was changed in the registry is found.
func TestPublishedTrainerTrains(t *testing.T) {
	a := serve(t, "--base", base(t))
	a.init(t, "cell-counter")
	a.needs(t, "cell-counter")
	a.asks(t, "cell-counter")
	if out, code := a.run(t, "trainer-agent", "publish", "cell-counter", "--wait"); code != 0 || !strings.Contains(out, "The package passed and is published.") {
		t.Fatalf("exit code %d: %s", code, out)
	}
	if out, code := a.run(t, "trainer-agent", "publish", "cell-counter"); code != 1 || !strings.Contains(out, "published already, with these very bytes") {
		t.Errorf("a second time: exit code %d: %s", code, out)
	}
	for _, key := range []string{"schemas/cell-counter.json", "model-capabilities/cell-counter.json", "schemas/cell-counter/0.1.0.json"} {
		if text, err := os.ReadFile(filepath.Join(a.dir, "trainer-hub-data", "config-schemas", key)); err != nil || !strings.Contains(string(text), `"framework"`) {
			t.Errorf("%s: %v %s", key, err, text)
		}
	}
	if out, code := a.run(t, "trainer-agent", "verify", "cell-counter@0.1.0"); code != 0 || !strings.Contains(out, "cell-counter 0.1.0 is what was published") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, code := a.run(t, "trainer-agent", "install", "cell-counter", "--dir", "installed", "--python", need.Python(t)); code != 0 || !strings.Contains(out, "TRAINER_VERSION=0.1.0\nRun it:  cd "+filepath.Join(a.dir, "installed")+" && ") {
		t.Fatalf("exit code %d: %s", code, out)
	}
	if out, code := a.run(t, "trainer-agent", "install", "cell-counter", "--json"); code != 0 || !strings.Contains(out, `/trainers/cell-counter@sha256:`) || !strings.Contains(out, `"readOnlyRootFilesystem":true`) {
		t.Errorf("exit code %d: %s", code, out)
	}
	p, err := jobtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	trains(t, a, p, filepath.Join(a.dir, "installed"))
	t.Run("in a container", func(t *testing.T) { trainsInAContainer(t, a) })
	withdrawn(t, a)
	changed(t, a)
}

// withdrawn withdraws the version in each way; what install says of it is seen by whoever trains.
func withdrawn(t *testing.T, a author) {
	for _, c := range []struct {
		state, install string
		code           int
		want           string
	}{
		{"deprecated", "cell-counter", 0, "warning: cell-counter 0.1.0 is deprecated: it forgets a class"},
		{"yanked", "cell-counter@0.1.0", 0, "warning: cell-counter 0.1.0 was yanked: it forgets a class"},
		{"", "cell-counter", 1, "all versions of this trainer were withdrawn"},
		{"quarantined", "cell-counter@0.1.0", 1, "quarantined by the hub's operator, and nobody can train with it: it forgets a class"},
		{"active", "cell-counter", 0, "TRAINER_VERSION=0.1.0"},
	} {
		if c.state != "" {
			if out, code := a.run(t, "trainer-hub", "state", "cell-counter@0.1.0", c.state, "--reason", "it forgets a class"); code != 0 {
				t.Fatalf("%s: exit code %d: %s", c.state, code, out)
			}
		}
		if out, code := a.run(t, "trainer-agent", "install", c.install); code != c.code || !strings.Contains(out, c.want) || (c.code == 1) == strings.Contains(out, "Image:") {
			t.Errorf("%s, install %s: exit code %d: %s", c.state, c.install, code, out)
		}
	}
}

// trains runs a job of the platform with an installed trainer; more is of its environment,
// NAME=value.
func trains(t *testing.T, a author, p *jobtest.Platform, dir string, more ...string) contract.Done {
	t.Helper()
	if err := p.Put("datasets/squares.zip", jobtest.Dataset(contract.TaskImageClassification, 12)); err != nil {
		t.Fatal(err)
	}
	env := p.Env("7", "squares", filepath.Join(t.TempDir(), "workspace"))
	env.Set("FRAMEWORK", "cell-counter", "TASK_TYPE", "image_classification", "MODEL_NAME", "cell-counter-s", "EPOCHS", "2")
	job := a.command(t, "trainer-agent", "run", "--trainer", ".", "--python", filepath.Join(dir, ".venv", "bin", "python"))
	job.Dir, job.Env = dir, []string{"PATH=/usr/bin:/bin", "HOME=" + a.dir}
	for name, value := range env {
		job.Env = append(job.Env, name+"="+value)
	}
	job.Env = append(job.Env, more...) // the last of a name counts
	var log strings.Builder
	job.Stdout, job.Stderr = &log, &log
	if err := job.Start(); err != nil {
		t.Fatal(err)
	}
	if code := jobtest.ExitCode(t, job); code != 0 {
		t.Fatalf("exit code %d\n%s", code, log.String())
	}
	done := p.Done(t, "7", &log)
	if _, measured := done.FinalMetrics["accuracy"]; done.Status != contract.StatusSucceeded || !measured {
		t.Errorf("%+v\n%s", done, log.String())
	}
	return done
}

// changed changes one byte of each kind of file in the registry; verify finds it, and
// install installs nothing.
func changed(t *testing.T, a author) {
	found, err := exec.Command("find", filepath.Join(a.dir, "trainer-hub-data", "registry"), "-type", "f", "-not", "-path", "*/tags/*").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(found))
	if len(files) < 12 { // 4 manifests, 3 layers, the package, the lock, 2 wheels, the bill, the provenance, …
		t.Errorf("only %v", files)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text[len(text)/2] ^= 1
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, code := a.run(t, "trainer-agent", "verify", "cell-counter"); code != 1 || !strings.Contains(out, "has other bytes than its digest says") {
			t.Errorf("with a byte of %s changed: exit code %d: %s", path, code, out)
		}
		text[len(text)/2] ^= 1
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, code := a.run(t, "trainer-agent", "verify", "cell-counter", "--key", "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lsHxM="); code != 1 {
		t.Errorf("a key that is none: exit code %d: %s", code, out)
	}
	if out, code := a.run(t, "trainer-agent", "verify", "cell-counter", "--key", strings.Repeat("A", 43)+"="); code != 1 || !strings.Contains(out, "another hub signed it") {
		t.Errorf("another key: exit code %d: %s", code, out)
	}
	if out, code := a.run(t, "trainer-agent", "install", "cell-counter", "--key", strings.Repeat("A", 43)+"="); code != 1 || strings.Contains(out, "Image:") {
		t.Errorf("the image of another key: exit code %d: %s", code, out)
	}
}
