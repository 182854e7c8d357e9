package images

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// Packages of the local root: what Python's slim image has.
const rootPackages = "python3,python3-pip,ca-certificates"

// builder drives buildah on storage of its own below .tools/images: a second run
// reuses the layers that did not change. make clean removes it.
type builder struct {
	root string // of the repository
	dir  string // .tools/images
	site string // the virtual environment's packages
	env  []string
}

// built is the builder after every image was built, once for all tests.
var built = sync.OnceValues(func() (*builder, error) {
	b, err := newBuilder()
	if err != nil {
		return nil, err
	}
	return b, b.buildAll()
})

// images gives the builder, or ends the test where it cannot work.
func images(t *testing.T) *builder {
	t.Helper()
	if missing := missingTools(); len(missing) > 0 {
		need.Missing(t, "what builds and runs images: %v", missing)
	}
	b, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// missingTools says what this machine lacks.
func missingTools() (missing []string) {
	if os.Getuid() != 0 {
		missing = append(missing, "root is needed")
	}
	for _, tool := range []string{"buildah", "runc", "mmdebstrap", "make"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, fmt.Sprintf("%s is not installed (apt-get install %[1]s)", tool))
		}
	}
	if _, err := sitePackages(); err != nil {
		missing = append(missing, err.Error())
	}
	return missing
}

// sitePackages is the folder of the trainers' requirements that make venv-all
// installed, for the Python that Debian 12 has.
func sitePackages() (string, error) {
	site, err := filepath.EvalSymlinks(filepath.Join(need.Venv(), "lib", "python3.11", "site-packages"))
	if err != nil {
		return "", fmt.Errorf("no virtual environment of Python 3.11 (make venv-all): %w", err)
	}
	return site, nil
}

func newBuilder() (*builder, error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return nil, err
	}
	b := &builder{root: root, dir: filepath.Join(root, ".tools", "images")}
	if b.site, err = sitePackages(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return nil, err
	}
	conf := filepath.Join(b.dir, "storage.conf")
	text := fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", filepath.Join(b.dir, "store"), filepath.Join(b.dir, "run"))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	// Of a make that runs the tests only its variables would come along: other images, other tags.
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "MAKE") && !strings.HasPrefix(kv, "MFLAGS=") {
			b.env = append(b.env, kv)
		}
	}
	// The images' Go is at least go.mod's: it is fetched here, where a proxy's certificate is known.
	b.env = append(b.env, "GOTOOLCHAIN=auto", "CONTAINERS_STORAGE_CONF="+conf, "BUILDAH_ISOLATION=chroot", "BUILDAH_FORMAT=docker", "BUILDAH_LAYERS=true")
	return b, nil
}

// run executes a command in the repository's root and gives its standard output.
func (b *builder) run(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = b.root, b.env
	var out, all bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &all
	if err := cmd.Run(); err != nil {
		text := out.String() + all.String()
		return nil, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, text[max(0, len(text)-4000):])
	}
	return out.Bytes(), nil
}

// buildAll makes the bases and, with the command that everybody uses, the images.
func (b *builder) buildAll() error {
	if err := b.buildBases(); err != nil {
		return err
	}
	paths, err := b.run("go", "env", "GOROOT", "GOMODCACHE", "GOCACHE")
	if err != nil {
		return err
	}
	if _, err := b.run("go", "mod", "download"); err != nil { // here, where a proxy's certificate is known
		return err
	}
	p := strings.Fields(string(paths))
	toolchain := fmt.Sprintf("-v %s:/usr/local/go:ro -v %s:/root/go/pkg/mod -v %s:/root/.cache/go-build", p[0], p[1], p[2])
	if err := b.make("agent sandbox hub", "test", toolchain); err != nil {
		return err
	}
	if err := b.make("base ultralytics timm huggingface", "test", b.packages()); err != nil {
		return err
	}
	if err := b.make("base", "plain-python", "--build-arg PYTHON_SHIM=false"); err != nil {
		return err
	}
	return need.Build(b.staticTrainer(), "./images/testdata/trainer")
}

// make runs make images. What the images install from PyPI is mounted, so pip
// only finds that every pinned requirement is there. The version is a constant,
// so that a new commit alone changes no layer.
func (b *builder) make(targets, tag, flags string) error {
	_, err := b.run("make", "images", "ENGINE=buildah", "IMAGES="+targets, "VARIANT=cpu", "TAG="+tag, "REGISTRY=localhost/", "VERSION=test", "COMMIT=test",
		"GO_IMAGE=localhost/bases-go", "PYTHON_IMAGE=localhost/bases-python", "BUILD_FLAGS="+flags)
	return err
}

// packages is buildah's flag that mounts the Python packages.
func (b *builder) packages() string { return "-v " + b.site + ":/opt/site-packages:ro" }

func (b *builder) staticTrainer() string { return filepath.Join(b.dir, "trainer") }

// buildBases makes a Debian root and imports it, unless it is there.
func (b *builder) buildBases() error {
	if _, err := b.run("buildah", "inspect", "--type", "image", "localhost/bases-go"); err == nil {
		return nil
	}
	tar := filepath.Join(b.dir, "root.tar")
	if _, err := os.Stat(tar); err != nil {
		if _, err := b.run("mmdebstrap", "--mode=root", "--variant=minbase", "--include="+rootPackages,
			"--aptopt=Acquire::Languages none", "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
			"--dpkgopt=path-exclude=/usr/share/locale/*", "bookworm", tar+".part.tar"); err != nil {
			return err
		}
		if err := os.Rename(tar+".part.tar", tar); err != nil {
			return err
		}
	}
	for _, base := range []string{"python", "go"} {
		if _, err := b.run("buildah", "build", "-f", "images/testdata/bases.Dockerfile", "--target", base, "-t", "localhost/bases-"+base, b.dir); err != nil {
			return err
		}
	}
	return nil
}

// config is the part of an image's configuration that a runtime takes over.
type config struct {
	User        string
	Env         []string
	Entrypoint  []string
	Cmd         []string
	WorkingDir  string
	StopSignal  string
	Labels      map[string]string
	Healthcheck *struct{ Test []string }
}

func (b *builder) config(t *testing.T, image string) config {
	t.Helper()
	out, err := b.run("buildah", "inspect", "--type", "image", image)
	if err != nil {
		t.Fatal(err)
	}
	var inspected struct {
		Docker struct {
			Config config `json:"config"`
		}
	}
	if err := json.Unmarshal(out, &inspected); err != nil {
		t.Fatal(err)
	}
	return inspected.Docker.Config
}

// roots are the mounted root file systems, by image.
var roots = struct {
	sync.Mutex
	path map[string]string
}{path: map[string]string{}}

// mount gives the root file system of an image.
func (b *builder) mount(t *testing.T, image string) string {
	t.Helper()
	roots.Lock()
	defer roots.Unlock()
	if path, ok := roots.path[image]; ok {
		return path
	}
	id, err := b.run("buildah", "from", "--pull-never", image)
	if err != nil {
		t.Fatal(err)
	}
	path, err := b.run("buildah", "mount", strings.TrimSpace(string(id)))
	if err != nil {
		t.Fatal(err)
	}
	roots.path[image] = strings.TrimSpace(string(path))
	return roots.path[image]
}

// unmount lets go of every mounted root, and of layers that no image has.
func unmount() {
	if len(roots.path) == 0 {
		return
	}
	b, err := built()
	if err != nil {
		return
	}
	for _, command := range [][]string{{"umount", "--all"}, {"rm", "--all"}, {"rmi", "--prune"}} {
		if _, err := b.run("buildah", command...); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	// buildah mounts its folder onto itself; make clean could not remove it.
	_ = syscall.Unmount(filepath.Join(b.dir, "store", "overlay"), 0)
}
