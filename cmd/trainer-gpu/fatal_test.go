package main_test

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/cmd/trainer-gpu/fake"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

func TestFatalLinesSayWhy(t *testing.T) {
	cases := map[string]struct {
		script []string
		env    func([]string) []string
		says   string
	}{
		"no library":                      {env: func([]string) []string { return []string{"LD_LIBRARY_PATH=" + t.TempDir()} }, says: "libnvidia-ml.so.1 was not found"},
		"driver not loaded":               {script: []string{"fail nvmlInit_v2 9"}, says: "the NVIDIA driver is not loaded"},
		"version mismatch":                {script: []string{"fail nvmlInit_v2 18"}, says: "differ in version"},
		"library not found by the driver": {script: []string{"fail nvmlInit_v2 12"}, says: "a library of the NVIDIA driver is missing"},
		"no GPU":                          {script: []string{"gpus 0"}, says: "lists no GPU"},
		"count fails":                     {script: []string{"fail nvmlDeviceGetCount_v2 999"}, says: "unknown error"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := fake.New(t)
			m.Set(tc.script...)
			env := m.Env()
			if tc.env != nil {
				env = tc.env(env)
			}
			r := start(t, env)
			f := r.nextType(contract.ProbeFatal)
			if !strings.Contains(f.Reason, tc.says) {
				t.Errorf("reason %q, want %q in it", f.Reason, tc.says)
			}
			if code := r.exit(); code != contract.ProbeExitFatal {
				t.Errorf("exit code %d, want %d", code, contract.ProbeExitFatal)
			}
		})
	}
}

// A build without cgo must still say in the probe's own words what is wrong.
func TestStubWithoutCgo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stub")
	if err := need.Build(path, "./cmd/trainer-gpu"); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), path).Output()
	var line contract.ProbeLine
	if jsonErr := json.Unmarshal(out, &line); jsonErr != nil || line.Type != contract.ProbeFatal {
		t.Errorf("printed %q", out)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != contract.ProbeExitFatal {
		t.Errorf("ended with %v", err)
	}
}
