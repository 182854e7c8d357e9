package images

import (
	"debug/buildinfo"
	"go/version"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit"
)

// frameworks have an image each.
var frameworks = []string{"ultralytics", "timm", "huggingface"}

func imageOf(framework string) string { return "localhost/trainer-" + framework + ":test" }

func TestImagesDeclareWhatARuntimeNeeds(t *testing.T) {
	b := images(t)
	for _, name := range append([]string{"agent", "base"}, frameworks...) {
		c := b.config(t, imageOf(name))
		if c.User != "1000:1000" || c.StopSignal != "SIGTERM" || c.Healthcheck == nil {
			t.Errorf("%s: user %q, stop signal %q, health check %v", name, c.User, c.StopSignal, c.Healthcheck)
		}
		if filepath.Base(c.Entrypoint[0]) != "trainer-agent" {
			t.Errorf("%s: the entry point is %q, not the agent", name, c.Entrypoint)
		}
		for _, label := range []string{"title", "vendor", "source", "version", "revision"} {
			if c.Labels["org.opencontainers.image."+label] == "" {
				t.Errorf("%s: no label %s", name, label)
			}
		}
		if title := c.Labels["org.opencontainers.image.title"]; title != "trainer-"+name {
			t.Errorf("%s: the title is %q", name, title)
		}
		if slices.Contains(frameworks, name) && (!slices.Contains(c.Env, "FRAMEWORK="+name) || c.WorkingDir != "/opt/trainers/"+name) {
			t.Errorf("%s: %q in %s", name, c.Env, c.WorkingDir)
		}
	}
}

// The agent's image is the agent, the probe and the certificates: nothing else.
func TestAgentImageHoldsNothingElse(t *testing.T) {
	b := images(t)
	var files []string
	for path := range filesOf(t, b, imageOf("agent")) {
		files = append(files, path)
	}
	slices.Sort(files)
	if want := []string{"etc/ssl/certs/ca-certificates.crt", "usr/local/bin/trainer-agent", "usr/local/bin/trainer-gpu"}; !slices.Equal(files, want) {
		t.Errorf("%v", files)
	}
}

// A program that nobody can read is undumpable before its first instruction: its environment stays its own.
func TestImagesHaveAnAgentThatNobodyCanRead(t *testing.T) {
	b := images(t)
	for _, name := range append([]string{"agent", "base"}, frameworks...) {
		file, err := os.Stat(filepath.Join(b.mount(t, imageOf(name)), "usr/local/bin/trainer-agent"))
		if err != nil {
			t.Fatal(err)
		}
		if file.Mode() != 0o711 {
			t.Errorf("%s: the agent's mode is %s", name, file.Mode())
		}
	}
}

// A release and an image are built with the toolchain that go.mod names, whichever this machine and the base have.
func TestImagesAreBuiltWithTheToolchainOfGoMod(t *testing.T) {
	b := images(t)
	mod, err := os.ReadFile(filepath.Join(b.root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(mod), "\ntoolchain ")
	named, _, _ := strings.Cut(after, "\n")
	if !found || !version.IsValid(named) {
		t.Fatalf("go.mod names no toolchain: %q", named)
	}
	for image, program := range map[string]string{"agent": "trainer-agent", "sandbox": "trainer-sandbox"} {
		info, err := buildinfo.ReadFile(filepath.Join(b.mount(t, imageOf(image)), "usr/local/bin", program))
		if err != nil {
			t.Fatal(err)
		}
		if version.Compare(info.GoVersion, named) < 0 {
			t.Errorf("%s was built with %s, go.mod names %s", program, info.GoVersion, named)
		}
	}
}

// No compiler, no Go, no second init, no weights; what stands in the image is root's.
func TestImagesHoldNoToolsAndNoWeights(t *testing.T) {
	b := images(t)
	unwanted := []string{"gcc", "cc", "g++", "clang", "ld", "make", "go", "git", "curl", "tini", "dumb-init"}
	weights := []string{".pt", ".pth", ".safetensors", ".onnx", ".ckpt"}
	for _, name := range append([]string{"base"}, frameworks...) {
		for path, entry := range filesOf(t, b, imageOf(name)) {
			if !entry.Type().IsRegular() || strings.Contains(path, "/dist-packages/") {
				continue // devices of the local base; Python's own .pth files are no weights
			}
			base := filepath.Base(path)
			if slices.Contains(unwanted, base) && strings.HasSuffix(filepath.Dir(path), "bin") || slices.Contains(weights, filepath.Ext(base)) {
				t.Errorf("%s holds /%s", name, path)
			}
			if info, err := entry.Info(); err == nil && info.Mode().Perm()&0o002 != 0 {
				t.Errorf("%s: everybody may write /%s", name, path)
			}
		}
	}
}

// filesOf lists what is no folder in an image, as it is before it runs.
func filesOf(t *testing.T, b *builder, image string) map[string]fs.DirEntry {
	t.Helper()
	id, err := b.run("buildah", "from", "--pull-never", image)
	if err != nil {
		t.Fatal(err)
	}
	container := strings.TrimSpace(string(id))
	t.Cleanup(func() { _, _ = b.run("buildah", "rm", container) })
	root, err := b.run("buildah", "mount", container)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]fs.DirEntry{}
	err = fs.WalkDir(os.DirFS(strings.TrimSpace(string(root))), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files[path] = d
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A trainer's own Dockerfile builds on the agent's image, and what it makes runs on
// a read-only root: the framework finds a place for its caches.
func TestTrainersDockerfilesBuild(t *testing.T) {
	b := images(t)
	for framework, module := range map[string]string{"ultralytics": "ultralytics", "timm": "timm", "huggingface": "transformers"} {
		_, err := b.run("buildah", "build", "-f", "trainers/"+framework+"/Dockerfile", "--build-arg", "AGENT_IMAGE=localhost/trainer-agent:latest",
			"--build-arg", "LOCK=requirements.cpu.lock", "--build-arg", "PYTHON_IMAGE=localhost/bases-python",
			"-v", b.site+":/opt/site-packages:ro", "-t", "localhost/own-"+framework, "trainers")
		if err != nil {
			t.Error(err)
			continue
		}
		c := newContainer(t, "localhost/own-"+framework).bind(b.site, "/opt/site-packages", "ro").shm(64 * mib)
		c.command([]string{"python", "-c", cachesAreWritable}, []string{module})
		c.start().ends(0)
		if said := c.stderr.String(); strings.Contains(said, "not writable") || strings.Contains(said, "not a writable") {
			t.Errorf("%s: %s", framework, said)
		}
	}
}

// cachesAreWritable imports a framework and makes the folder in which PyTorch,
// Hugging Face and Matplotlib keep theirs. Ultralytics and Matplotlib warn when
// they have to go elsewhere.
const cachesAreWritable = `
import importlib, pathlib, sys
importlib.import_module(sys.argv[1])
import matplotlib
matplotlib.get_configdir()
(pathlib.Path.home() / ".cache" / "torch").mkdir(parents=True, exist_ok=True)
`

// A layer is made again with every one before it: what changes seldom comes first,
// so that neither a new agent nor a line of the trainer's code installs the
// framework again.
func TestLayersGoFromTheLeastToTheMostOftenChanged(t *testing.T) {
	for file, code := range map[string]string{
		"ultralytics": "\nCOPY ultralytics /opt", "timm": "\nCOPY timm /opt", "huggingface": "\nCOPY huggingface /opt", "starter/common": "\nCOPY . .",
	} {
		text, err := os.ReadFile(filepath.Join("..", "trainers", file, "Dockerfile"))
		if err != nil {
			t.Fatal(err)
		}
		last := 0
		for _, step := range []string{"useradd", "requirements.", "pip install", "COPY --from=agent", code} {
			at := strings.Index(string(text), step)
			if at < last {
				t.Errorf("trainers/%s/Dockerfile: %q comes too early, or never", file, step)
			}
			last = at
		}
	}
}

// train is a container of a framework's image for a real training of one epoch.
func train(t *testing.T, framework, model string, task contract.TaskType) *container {
	t.Helper()
	c := newContainer(t, imageOf(framework)).bind(images(t).site, "/opt/site-packages", "ro").shm(1024 * mib)
	return c.with("FRAMEWORK", "", "TASK_TYPE", string(task), "MODEL_NAME", model, "DATASET_ID", datasetOf(task),
		"EPOCHS", "1", "BATCH_SIZE", "4", "IMAGE_SIZE", "64", "NUM_WORKERS", "1")
}

// The real trainers from the real images: once as the image says, once as the
// platform's Job template overrides it (command: ["python"], args: ["train.py"]).
func TestImagesTrain(t *testing.T) {
	t.Run("timm, by the platform's template", func(t *testing.T) {
		t.Parallel()
		c := train(t, "timm", "resnet18", contract.TaskImageClassification)
		c.command([]string{"python"}, []string{"train.py"})
		c.start().ends(contract.ExitOK).succeeded()
	})
	t.Run("huggingface, by its own command", func(t *testing.T) {
		t.Parallel()
		train(t, "huggingface", "vit-tiny-patch16-224", contract.TaskImageClassification).start().ends(contract.ExitOK).succeeded()
	})
}

// The image of a package that trainer-agent init wrote builds, and in it the
// package passes the platform's validation as the image's user.
func TestNewPackagesImagePassesTheValidation(t *testing.T) {
	b, dir := images(t), filepath.Join(t.TempDir(), "cell-counter")
	if err := kit.Write(dir, "cell-counter", "plain"); err != nil {
		t.Fatal(err)
	}
	_, err := b.run("buildah", "build", "-f", filepath.Join(dir, "Dockerfile"), "--build-arg", "AGENT_IMAGE=localhost/trainer-agent:latest",
		"--build-arg", "PYTHON_IMAGE=localhost/bases-python", "-v", b.site+":/opt/site-packages:ro", "-t", "localhost/cell-counter", dir)
	if err != nil {
		t.Fatal(err)
	}
	id, err := b.run("buildah", "from", "--pull-never", "localhost/cell-counter")
	if err != nil {
		t.Fatal(err)
	}
	container := strings.TrimSpace(string(id))
	t.Cleanup(func() { _, _ = b.run("buildah", "rm", container) })
	if env := b.config(t, "localhost/cell-counter").Env; !slices.Contains(env, "HOME=/tmp") {
		t.Errorf("HOME is not where a read-only root can be written to: %q", env)
	}
	out, err := b.run("buildah", "run", "--user", "1000", "-v", b.site+":/opt/site-packages:ro", container, "--", "trainer-agent", "validate", "/app")
	if err != nil || !strings.Contains(string(out), "6 of 6 steps taken") {
		t.Errorf("%v\n%s", err, out)
	}
}
