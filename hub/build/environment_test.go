package build_test

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/vision-platform/trainer-agent/hub/build"
	"github.com/vision-platform/trainer-agent/hub/build/buildtest"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// wheel writes a wheel of one module, whose .pth file tells on whoever starts a Python
// that has it.
func wheel(t *testing.T, dir, name, version, told string, requires ...string) {
	t.Helper()
	out, err := os.Create(filepath.Join(dir, name+"-"+version+"-py3-none-any.whl"))
	if err != nil {
		t.Fatal(err)
	}
	z, info, needs := zip.NewWriter(out), name+"-"+version+".dist-info/", ""
	for _, other := range requires {
		needs += "Requires-Dist: " + other + "\n"
	}
	for _, file := range [][2]string{
		{name + ".py", "version = '" + version + "'\n"},
		{name + ".pth", "import pathlib; pathlib.Path(" + strings.ReplaceAll("'"+told+"'", `\`, `\\`) + ").touch()\n"},
		{info + "METADATA", "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n" + needs},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{info + "entry_points.txt", "[console_scripts]\n" + name + " = " + name + ":main\n"},
		{info + "RECORD", name + ".py,,\n" + name + ".pth,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "entry_points.txt,,\n" + info + "RECORD,,\n"},
	} {
		w, err := z.Create(file[0])
		if err == nil {
			_, err = io.WriteString(w, file[1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
}

// source is a package with requirements.
func source(t *testing.T, requirements string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"requirements.txt": requirements, "train.py": "import cells\n", "sub/x.py": ""} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The environment of a package is pinned once; a newer wheel that appears later, as after
// a kill of the hub, changes nothing. Nothing of a wheel runs meanwhile.
func TestWheelsArePinned(t *testing.T) {
	index, told := t.TempDir(), filepath.Join(t.TempDir(), "told")
	wheel(t, index, "cells", "1.0.0", told)
	tools := build.Tools{Python: need.Python(t), Wheels: index, Environ: os.Environ()}
	lock, dir := filepath.Join(t.TempDir(), "locks", "lock.txt"), source(t, "cells>=1\n")
	made := func() *build.Environment {
		e, found, err := tools.Make(t.Context(), dir, t.TempDir(), lock)
		if err != nil || len(found) > 0 {
			t.Fatalf("%v %v", found, err)
		}
		return e
	}
	first := made()
	wheel(t, index, "cells", "1.1.0", told)
	again := made()
	if first.Lock() != again.Lock() || !strings.HasPrefix(first.Lock(), "cells==1.0.0 --hash=sha256:") {
		t.Errorf("%q, then %q", first.Lock(), again.Lock())
	}
	if _, err := os.Stat(told); err == nil {
		t.Error("a wheel's code ran")
	}
	out, err := exec.Command(again.Python, "-c", "import cells; print(cells.version)").CombinedOutput()
	if string(out) != "1.0.0\n" || err != nil {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := os.Stat(told); err != nil {
		t.Errorf("the wheel would not have told: %v", err)
	}
	locked := tools
	locked.Locked = true
	if _, _, err := locked.Make(t.Context(), dir, t.TempDir(), lock+"-gone"); err == nil || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("other wheels than those that were chosen: %v", err)
	}
	wheel(t, index, "cells", "1.0.0", told+"-changed") // other bytes under the same name
	if _, found, err := tools.Make(t.Context(), dir, t.TempDir(), lock); len(found) != 1 || !strings.Contains(found[0].Text, "another hash") {
		t.Errorf("changed bytes: %v %v", found, err)
	}
}

// A wheel that requires a source distribution by its address, which pip would build: nothing
// of it runs, and the author reads why.
func TestNothingIsBuilt(t *testing.T) {
	index, told := t.TempDir(), filepath.Join(t.TempDir(), "told")
	project := filepath.Join(t.TempDir(), "evil")
	for name, text := range map[string]string{
		"pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
		"backend.py":     "import pathlib; pathlib.Path('" + told + "').touch()\n",
	} {
		if err := errors.Join(os.MkdirAll(project, 0o755), os.WriteFile(filepath.Join(project, name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	wheel(t, index, "cells", "1.0.0", told, "evil @ file://"+project)
	tools := build.Tools{Python: need.Python(t), Wheels: index, Environ: os.Environ()}
	_, found, err := tools.Make(t.Context(), source(t, "cells==1.0.0\n"), t.TempDir(), filepath.Join(t.TempDir(), "lock"))
	if err != nil || len(found) != 1 || !strings.Contains(found[0].Text, "what is no wheel") {
		t.Errorf("%v %v", found, err)
	}
	if _, err := os.Stat(told); err == nil {
		t.Error("what was to be built ran")
	}
}

// What cannot be resolved is the author's; an index that is away is the hub's.
func TestWhoseFaultMissingWheelsAre(t *testing.T) {
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	index := t.TempDir()
	wheel(t, index, "cells", "1.0.0", "")
	for name, c := range map[string]struct {
		requirements, index string
		author              string
	}{
		"not there":         {"no-such-package==1", index, "dependencies.unresolved"},
		"no such version":   {"cells==3", index, "dependencies.unresolved"},
		"contradicts":       {"cells==1\ncells==2", index, "dependencies.unresolved"},
		"an option":         {"-r x", index, "dependencies.form"},
		"the index is away": {"cells==1", "", ""},
	} {
		tools := build.Tools{Python: need.Python(t), Wheels: c.index, Environ: append(os.Environ(), "PIP_INDEX_URL="+away.URL, "PIP_RETRIES=1", "PIP_TIMEOUT=1", "PIP_CONFIG_FILE="+os.DevNull)}
		_, found, err := tools.Make(t.Context(), source(t, c.requirements), t.TempDir(), filepath.Join(t.TempDir(), "lock"))
		switch {
		case c.author == "" && (err == nil || len(found) > 0), c.author != "" && (err != nil || len(found) == 0 || found[0].Rule != c.author):
			t.Errorf("%s: %v %v", name, found, err)
		}
	}
}

// base writes a base as an OCI layout.
func base(t *testing.T, python string) string {
	t.Helper()
	dir := t.TempDir()
	minor := strings.Join(strings.Split(python, ".")[:2], ".")
	buildtest.Write(t, dir, python, []string{"PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONPATH=/opt/own", "HOME=/root"}, buildtest.Python(t, minor))
	return dir
}

// The same package, wheels, base and agent give the same image, made at another time in
// another folder; it starts the agent and has nothing of the folder's.
func TestSameInputGivesTheSameImage(t *testing.T) {
	index, dir, agent := t.TempDir(), source(t, "cells==1.0.0"), filepath.Join(t.TempDir(), "agent")
	wheel(t, index, "cells", "1.0.0", "")
	if err := os.WriteFile(agent, []byte("ELF"), 0o700); err != nil {
		t.Fatal(err)
	}
	tools := build.Tools{Python: need.Python(t), Wheels: index, Environ: os.Environ()}
	version, err := tools.PythonVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := build.OpenBase(t.Context(), base(t, version+".9"), version)
	if err != nil {
		t.Fatal(err)
	}
	var digests []v1.Hash
	// The path of a program's interpreter is too long for its first line, once.
	for _, at := range []string{t.TempDir(), filepath.Join(t.TempDir(), strings.Repeat("long", 40))} {
		if err := os.MkdirAll(at, 0o700); err != nil {
			t.Fatal(err)
		}
		e, found, err := tools.Make(t.Context(), dir, at, filepath.Join(t.TempDir(), "lock"))
		if err != nil || len(found) > 0 {
			t.Fatalf("%v %v", found, err)
		}
		image, err := build.Image{Base: b, Agent: agent, Environment: e, Source: dir, Name: "cell-counter", Version: "1.0.0"}.Assemble(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		digest, err := image.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest)
		looks(t, image, version)
	}
	if digests[0] != digests[1] {
		t.Errorf("%v", digests)
	}
}

// looks checks an image's files and configuration.
func looks(t *testing.T, image v1.Image, version string) {
	t.Helper()
	file, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c := file.Config
	if strings.Join(c.Entrypoint, " ") != "/usr/local/bin/trainer-agent run --trainer . --" || len(c.Cmd) > 0 || c.WorkingDir != "/app" || c.User != "1000:1000" {
		t.Errorf("%+v", c)
	}
	for _, pair := range []string{"FRAMEWORK=cell-counter", "PYTHONPATH=/opt/own", "HOME=/tmp", "PATH=/opt/trainers/venv/bin:/usr/local/bin:/usr/bin:/bin"} {
		if !slices.Contains(c.Env, pair) {
			t.Errorf("%s is not in %v", pair, c.Env)
		}
	}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, layer := range layers {
		files = append(files, list(t, layer)...)
	}
	site := "opt/trainers/venv/lib/python" + version + "/site-packages/"
	for _, name := range []string{"usr/local/bin/trainer-agent", "workspace/", site + "cells.pth", site + "cells-1.0.0.dist-info/RECORD", "opt/trainers/venv/bin/cells", "opt/trainers/venv/bin/python", "opt/trainers/venv/pyvenv.cfg", "app/train.py", "app/sub/x.py"} {
		if !slices.Contains(files, name) {
			t.Errorf("%s is not in %v", name, files)
		}
	}
}

func list(t *testing.T, layer v1.Layer) (names []string) {
	t.Helper()
	from, err := layer.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	unzipped, err := gzip.NewReader(from)
	if err != nil {
		t.Fatal(err)
	}
	for in := tar.NewReader(unzipped); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
		if header.Name == "usr/local/bin/trainer-agent" && header.Mode != 0o711 { // unreadable, hence undumpable
			t.Errorf("the agent's mode is %o", header.Mode)
		}
		if !header.ModTime.IsZero() && header.ModTime.Unix() != 0 {
			t.Errorf("%s is of %s", header.Name, header.ModTime)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(header.Name, "RECORD") && !strings.Contains(string(text), "../../../bin/cells,,\n") {
			t.Errorf("RECORD: %s", text)
		}
		if strings.HasSuffix(header.Name, "bin/cells") && !strings.HasPrefix(string(text), "#!/opt/trainers/venv/bin/python\n# -*-") {
			t.Errorf("a program: %s", text)
		}
	}
}

func TestBaseMustFit(t *testing.T) {
	none, moved := t.TempDir(), t.TempDir()
	buildtest.Write(t, none, "3.11.2", nil, buildtest.Python(t, "3.9"))
	buildtest.Write(t, moved, "3.11.2", []string{"PATH=/opt/bin"}, buildtest.Python(t, "3.11"))
	for from, want := range map[string]string{
		none:                   "there is no python3.11 in /usr/local/sbin:",
		moved:                  "there is no python3.11 in /opt/bin",
		base(t, "3.9.1"):       "has Python 3.9.1, and packages are proven with Python 3.11",
		t.TempDir():            "opening the base image",
		"python:3.11-bookworm": "name it by its digest",
	} {
		if _, err := build.OpenBase(t.Context(), from, "3.11"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", from, err)
		}
	}
}
