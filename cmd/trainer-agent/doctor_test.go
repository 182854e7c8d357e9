package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// A training that ran before may have left code that Python runs when it starts, and a
// person then asks doctor with every secret in the environment.
func TestDoctorRunsNoCodeThatATrainingLeft(t *testing.T) {
	python := need.Program(t, "python3", "apt-get install python3")
	home, here, bin, caught := t.TempDir(), t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "caught")
	plant := fmt.Sprintf("import os\nwith open(%q, 'a') as f: f.write(__file__ + ' ' + os.environ.get('CALLBACK_TOKEN', '') + '\\n')\n", caught)
	site, err := exec.Command(python, "-S", "-c", "import sys; sys.stdout.write('.local/lib/python%d.%d/site-packages' % sys.version_info[:2])").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		filepath.Join(home, string(site), "usercustomize.py"), filepath.Join(here, "sitecustomize.py"),
		filepath.Join(here, "importlib", "__init__.py"), filepath.Join(here, "importlib", "metadata.py"),
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(plant), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	seen := filepath.Join(t.TempDir(), "seen")
	probe := fmt.Sprintf("#!/bin/sh\n{ pwd; env; } > %s\n", seen)
	if err := os.WriteFile(filepath.Join(bin, "probe"), []byte(probe), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(python, filepath.Join(bin, "python")); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, "").with("HOME", home, "PYTHONPATH", here, "AWS_SECRET_ACCESS_KEY", "secret-of-the-store", "AGENT_GPU_PROBE", filepath.Join(bin, "probe"), "PATH", bin+":/usr/bin:/bin")

	plain := exec.Command(filepath.Join(bin, "python"), "-c", "pass")
	plain.Dir, plain.Env = here, command(j).Env
	if out, err := plain.CombinedOutput(); err != nil {
		t.Logf("Python with the planted code: %v\n%s", err, out)
	}
	if _, err := os.Stat(caught); err != nil {
		t.Fatal("a plain Python does not run what was planted, so nothing is shown")
	}
	if err := os.Remove(caught); err != nil {
		t.Fatal(err)
	}

	look := command(j, "doctor")
	look.Dir = here
	out, _ := look.CombinedOutput() // red where there is no store
	if !strings.Contains(string(out), "Python 3.") {
		t.Errorf("doctor did not ask Python:\n%s", out)
	}
	if got, err := os.ReadFile(caught); err == nil {
		t.Errorf("planted code was run:\n%s", got)
	}
	got, err := os.ReadFile(seen)
	if err != nil {
		t.Fatalf("the probe was not run: %v\n%s", err, out)
	}
	if text := string(got); !strings.HasPrefix(text, "/\n") || strings.Contains(text, token) || strings.Contains(text, "secret-of-the-store") || strings.Contains(text, "HOME="+home) {
		t.Errorf("the probe was run in a folder or with an environment of the person's:\n%s", text)
	}
}
