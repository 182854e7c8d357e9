package images

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// The package of an exported model is a container's build folder: its image tests
// itself, and answers images that it is shown, as any user.
func TestTheContainerOfAnExportedModelAnswers(t *testing.T) {
	if missing := missingTools(); len(missing) > 0 {
		need.Missing(t, "what builds and runs images: %v", missing)
	}
	b, err := newBuilder()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.buildBases(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	makePackage(t, b, dir)
	must := func(args ...string) string {
		t.Helper()
		out, err := b.run("buildah", args...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	must("build", "--build-arg", "BASE=localhost/bases-python", "-v", b.site+":/opt/site-packages:ro", "-t", "localhost/exported", filepath.Join(dir, "onnx", "segment"))
	image := b.config(t, "localhost/exported")
	if strings.Join(image.Cmd, " ") != "--selftest" || image.User == "" {
		t.Errorf("the image is %+v", image)
	}
	container := must("from", "--pull-never", "localhost/exported")
	t.Cleanup(func() { _, _ = b.run("buildah", "rm", container) })
	answers := func(args ...string) (string, error) {
		command := append([]string{"run", "--user", image.User, "-v", b.site + ":/opt/site-packages:ro", "-v", filepath.Join(dir, "images") + ":/images:ro", container, "--"}, image.Entrypoint...)
		out, err := b.run("buildah", append(command, args...)...)
		return string(out), err
	}
	if out, err := answers(image.Cmd...); err != nil || out != "selftest passed: model.onnx on the golden image\n" {
		t.Errorf("%v: the selftest says %q", err, out)
	}
	var answer struct {
		Width, Height int
		Objects       []struct {
			Name string `json:"class_name"`
		}
	}
	out, err := answers("/images/turned.jpg")
	if err == nil {
		err = json.Unmarshal([]byte(out), &answer)
	}
	if err != nil || answer.Width != 180 || answer.Height != 240 || len(answer.Objects) == 0 {
		t.Errorf("%v: the answer is %s", err, out)
	}
	if out, err := answers("/images/none.jpg"); err == nil || !strings.Contains(err.Error(), "/images/none.jpg cannot be read") {
		t.Errorf("%v: of an image that is not there it says %s", err, out)
	}
}

// makePackage makes a package of the wrappers' tests, and images to ask about.
func makePackage(t *testing.T, b *builder, dir string) {
	t.Helper()
	trainers := filepath.Join(b.root, "trainers")
	complete := "import sys; from pathlib import Path; from trainer_vision.deploy import package; package.complete(Path(sys.argv[1]))"
	for _, args := range [][]string{{filepath.Join(trainers, "tests", "blobs.py"), dir, "onnx/segment"}, {"-c", complete, filepath.Join(dir, "onnx", "segment")}} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(need.Venv(), "bin", "python"), args...)
		cmd.Env = append(os.Environ(), "PYTHONPATH="+strings.Join([]string{filepath.Join(trainers, "ultralytics"), filepath.Join(trainers, "vision"), filepath.Join(trainers, "sdk")}, ":"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("making a package: %v\n%s", err, out)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil { // another user of the container reads the images
		t.Fatal(err)
	}
}
