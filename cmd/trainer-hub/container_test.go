package main_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/jobtest"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/build/buildtest"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// base is this machine's Python with the libraries that it and the wheels need, as an OCI
// layout: what python:3.11-slim is, a tenth of the size.
func base(t *testing.T) string {
	t.Helper()
	const question = `import glob, os, platform, subprocess, sys, sysconfig
print(platform.python_version())
real, stdlib = os.path.realpath(sys.executable), sysconfig.get_path("stdlib")
print(real); print(stdlib)
own = glob.glob(stdlib + "/lib-dynload/*.so") + glob.glob(sysconfig.get_path("platlib") + "/numpy/**/*.so", recursive=True)
said = subprocess.run(["ldd", real, *own], capture_output=True, text=True).stdout
print("\n".join(sorted({w for w in said.split() if w.startswith("/") and not w.endswith(":")})))`
	said, err := exec.Command(need.Python(t), "-c", question).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(said))
	layer, dir := filepath.Join(t.TempDir(), "layer.tar"), t.TempDir()
	args := []string{"-C", "/", "-chf", layer, "--ignore-failed-read", "--exclude=__pycache__", "--exclude=*/python3*/test", "--exclude=*/site-packages", "--exclude=*/config-3*", "--exclude=*.a"}
	for _, path := range lines[1:] {
		args = append(args, strings.TrimPrefix(path, "/"))
	}
	if out, err := exec.Command("tar", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	made, err := tarball.LayerFromFile(layer, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		t.Fatal(err)
	}
	buildtest.Write(t, dir, lines[0], []string{"PATH=" + filepath.Dir(lines[1]) + ":/usr/bin:/bin"}, made)
	return dir
}

// beside writes a wheel that puts files beside Python's packages: data, a program, and a
// folder of modules that only a .pth file names.
func beside(t *testing.T, dir string) {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	const info = "beside-1.0.0.dist-info/"
	record := ""
	for _, file := range [][2]string{
		{"beside.pth", "beside_modules\n"},
		{"beside_modules/found_by_pth.py", "def main():\n    print('a program ran')\n"},
		{"beside-1.0.0.data/data/share/beside/data.txt", "data\n"},
		{info + "METADATA", "Metadata-Version: 2.1\nName: beside\nVersion: 1.0.0\n"},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{info + "entry_points.txt", "[console_scripts]\nbeside = found_by_pth:main\n"},
		{info + "RECORD", ""},
	} {
		record += file[0] + ",,\n"
		if file[1] == "" {
			file[1] = record
		}
		w, err := z.Create(file[0])
		if err == nil {
			_, err = w.Write([]byte(file[1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "beside-1.0.0-py3-none-any.whl"), out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// asksForAll is a training that needs what the wheel puts beside: where one thing is not
// there, it does not train.
const asksForAll = `import importlib.metadata, pathlib, subprocess, sys
import found_by_pth
assert pathlib.Path(sys.prefix, "share", "beside", "data.txt").read_text() == "data\n"
assert subprocess.run([pathlib.Path(sys.prefix, "bin", "beside")], capture_output=True, text=True, check=True).stdout == "a program ran\n"
for file in importlib.metadata.files("beside"):
    assert file.locate().exists(), file
`

// needs has a package need the wheel that puts files beside.
func (a author) needs(t *testing.T, name string) {
	t.Helper()
	beside(t, filepath.Join(programs, "wheels"))
	for file, more := range map[string][2]string{"requirements.txt": {"", "beside==1.0.0\n"}, "asks.py": {asksForAll, ""}} {
		path := filepath.Join(a.dir, name, file)
		text, err := os.ReadFile(path)
		if err == nil || file == "asks.py" {
			err = os.WriteFile(path, []byte(more[0]+string(text)+more[1]), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// asks has the training import what asks for it all, where imports may begin.
func (a author) asks(t *testing.T, name string) {
	t.Helper()
	const first = "from __future__ import annotations\n"
	path := filepath.Join(a.dir, name, "train.py")
	text, err := os.ReadFile(path)
	if err == nil && !strings.Contains(string(text), first) {
		t.Fatalf("train.py begins otherwise: %s", text)
	}
	if err == nil {
		err = os.WriteFile(path, []byte(strings.Replace(string(text), first, first+"\nimport asks\n", 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// trainsInAContainer pulls the published image and runs a job of the platform in it, confined
// as a pod: uid 1000, no capability, a read-only root.
func trainsInAContainer(t *testing.T, a author) {
	need.Root(t)
	need.Program(t, "runc", "apt-get install runc")
	p, err := jobtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	if err := p.Put("datasets/squares.zip", jobtest.Dataset(contract.TaskImageClassification, 12)); err != nil {
		t.Fatal(err)
	}
	image := pull(t, a, "trainers/cell-counter:0.1.0")
	file, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	env := p.Env("8", "squares", "/workspace")
	env.Set("TASK_TYPE", "image_classification", "MODEL_NAME", "cell-counter-s", "EPOCHS", "2", "AGENT_METRICS_ADDR", "127.0.0.1:0")
	bundle := t.TempDir()
	unpack(t, image, filepath.Join(bundle, "rootfs"))
	spec := confined(t, file.Config)
	for name, value := range env {
		spec.Process.Env = append(spec.Process.Env, name+"="+value)
	}
	text, err := json.Marshal(spec)
	if err == nil {
		err = os.WriteFile(filepath.Join(bundle, "config.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	state, id := t.TempDir(), "trainer-hub-"+filepath.Base(bundle)
	job := exec.Command("runc", "--root", state, "run", "--bundle", bundle, id)
	job.Stdout, job.Stderr = &log, &log
	t.Cleanup(func() { _ = exec.Command("runc", "--root", state, "delete", "--force", id).Run() })
	if err := job.Start(); err != nil {
		t.Fatal(err)
	}
	if code := jobtest.ExitCode(t, job); code != 0 {
		t.Fatalf("exit code %d\n%s", code, log.String())
	}
	if done := p.Done(t, "8", &log); done.Status != contract.StatusSucceeded || len(done.FinalMetrics) == 0 {
		t.Errorf("%+v\n%s", done, log.String())
	}
}

// pull reads an image from the hub's own registry, as a runtime does with its login.
func pull(t *testing.T, a author, repository string) v1.Image {
	t.Helper()
	var at *url.URL
	token := ""
	for _, pair := range a.env {
		switch key, value, _ := strings.Cut(pair, "="); key {
		case "TRAINER_HUB_URL":
			at, _ = url.Parse(value)
		case "TRAINER_HUB_TOKEN":
			token = value
		}
	}
	reference, err := name.ParseReference(at.Host+"/"+repository, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(reference, remote.WithAuth(&authn.Basic{Username: "any", Password: token}), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func unpack(t *testing.T, image v1.Image, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	files := mutate.Extract(image)
	defer func() { _ = files.Close() }()
	tar := exec.Command("tar", "-C", dir, "-xpf", "-")
	tar.Stdin = files
	if out, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// confined starts an image's entry point. The network is the machine's, where the store and
// the backend listen.
func confined(t *testing.T, c v1.Config) *specs.Spec {
	t.Helper()
	if c.User != "1000:1000" {
		t.Fatalf("it runs as %s", c.User)
	}
	spec := &specs.Spec{
		Version: specs.Version, Root: &specs.Root{Path: "rootfs", Readonly: true},
		Process: &specs.Process{
			Args: slices.Concat(c.Entrypoint, c.Cmd), Env: slices.Clone(c.Env), Cwd: c.WorkingDir,
			User: specs.User{UID: 1000, GID: 1000}, NoNewPrivileges: true, Capabilities: &specs.LinuxCapabilities{},
		},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777"}},
		},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}, {Type: specs.MountNamespace}}},
	}
	for _, path := range []string{"/workspace", "/tmp"} {
		dir := t.TempDir()
		if err := os.Chown(dir, 1000, 1000); err != nil {
			t.Fatal(err)
		}
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: path, Type: "bind", Source: dir, Options: []string{"rbind", "nosuid", "nodev"}})
	}
	return spec
}
