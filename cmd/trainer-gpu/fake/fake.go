// Package fake gives tests a machine with GPUs: the real probe, built with cgo,
// and a libnvidia-ml.so.1 of our own that the probe loads by a real dlopen. What
// the library answers is a script that a test may rewrite at any time. It is for
// tests only and leaves starting the probe to them.
package fake

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// Machine is a driver's library and its script.
type Machine struct {
	t      *testing.T
	dir    string
	script string
}

// Option changes how the library is compiled.
type Option string

// OldDriver leaves out what a 450 driver lacks.
const OldDriver Option = "-DOLD_DRIVER"

// New compiles the library. Without a C compiler the test fails in CI and is
// skipped elsewhere.
func New(t *testing.T, options ...Option) *Machine {
	t.Helper()
	dir := t.TempDir()
	m := &Machine{t: t, dir: dir, script: filepath.Join(dir, "script")}
	args := []string{
		"-Wall", "-Wno-deprecated-declarations", "-shared", "-fPIC", "-I", headers(t),
		"-o", filepath.Join(dir, "libnvidia-ml.so.1"), filepath.Join(root(), "testdata/fakenvml/fakenvml.c"),
	}
	for _, o := range options {
		args = append(args, string(o))
	}
	if out, err := exec.CommandContext(t.Context(), compiler(t), args...).CombinedOutput(); err != nil {
		t.Fatalf("compiling the fake driver library: %v\n%s", err, out)
	}
	m.Set()
	return m
}

// Set replaces the script at once.
func (m *Machine) Set(lines ...string) {
	m.t.Helper()
	next := m.script + ".next"
	if err := os.WriteFile(next, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(next, m.script); err != nil {
		m.t.Fatal(err)
	}
}

// Env is the environment in which the probe finds this machine.
func (m *Machine) Env() []string {
	return append(os.Environ(), "LD_LIBRARY_PATH="+m.dir, "NVIDIA_FAKE_SCRIPT="+m.script, "NVIDIA_VISIBLE_DEVICES=all")
}

// probes holds the probe that was built for this test process.
var probes struct {
	once sync.Once
	path string
	err  error
}

// Probe builds cmd/trainer-gpu with cgo, once a test process, and returns its
// path. Remove deletes it again at the end of TestMain.
func Probe(t *testing.T) string {
	t.Helper()
	compiler(t)
	probes.once.Do(func() {
		dir, err := os.MkdirTemp("", "trainer-gpu-")
		if err != nil {
			probes.err = err
			return
		}
		probes.path = filepath.Join(dir, "trainer-gpu")
		cmd := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-ldflags=-extldflags=-Wl,-z,lazy", "-o", probes.path, "./cmd/trainer-gpu")
		cmd.Dir = root()
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "CGO_CFLAGS=-O2 -g -Wno-deprecated-declarations")
		if out, err := cmd.CombinedOutput(); err != nil {
			probes.err = fmt.Errorf("building the probe: %w\n%s", err, out)
		}
	})
	if probes.err != nil {
		t.Fatal(probes.err)
	}
	return probes.path
}

// Remove deletes the built probe.
func Remove() {
	if probes.path != "" {
		_ = os.RemoveAll(filepath.Dir(probes.path))
	}
}

func compiler(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("cc")
	if runtime.GOOS != "linux" {
		err = fmt.Errorf("the NVIDIA driver's library is for Linux")
	}
	if err == nil {
		return path
	}
	need.Missing(t, "a C compiler on Linux, for the fake driver library: %v", err)
	return ""
}

// headers is go-nvml's own folder: the fake is compiled against the header that
// the probe is.
func headers(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/NVIDIA/go-nvml")
	cmd.Dir = root()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("finding go-nvml: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "pkg/nvml")
}

func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "../../..")
}
