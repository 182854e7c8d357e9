package kit

import (
	"bytes"
	"encoding/json"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
	"github.com/vision-platform/trainer-agent/trainers"
)

func written(t *testing.T, template string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cell-counter")
	if err := Write(dir, "cell-counter", template); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestNewPackageHasEveryFileOfTheConvention(t *testing.T) {
	for _, template := range Templates {
		dir := written(t, template)
		for _, name := range slices.Concat(contract.TrainerFilesRequired, contract.TrainerFilesOptional, []string{".dockerignore", ".gitignore", "trainer_sdk/__init__.py", "trainer_vision/images.py"}) {
			if !regular(filepath.Join(dir, name)) {
				t.Errorf("%s: %s is missing", template, name)
			}
		}
		v := Validator{Dir: dir}
		if document, err := readCapabilities(dir); err != nil || len(v.checkCapabilities(document)) > 0 || document.Framework != "cell-counter" {
			t.Errorf("%s: %v %v", template, err, v.checkCapabilities(document))
		}
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
			if body, _ := os.ReadFile(path); !d.IsDir() && bytes.Contains(body, []byte(placeholder)) {
				t.Errorf("%s: %s still says %s", template, path, placeholder)
			}
			return nil
		})
	}
}

// The SDK of a new package is that of this repository, byte for byte and whole.
func TestNewPackageHasTheSDKOfThisRepository(t *testing.T) {
	dir := written(t, "plain")
	count := 0
	for folder, embedded := range map[string]fs.FS{"sdk": trainers.SDK(), "vision": trainers.Vision()} {
		err := fs.WalkDir(embedded, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if folder == "sdk" {
				count++
			}
			ours, err := os.ReadFile(filepath.Join("..", folder, path))
			if err != nil {
				return err
			}
			theirs, err := os.ReadFile(filepath.Join(dir, path))
			if err != nil || !bytes.Equal(ours, theirs) {
				t.Errorf("%s differs from trainers/%s (%v)", path, folder, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	sources, err := filepath.Glob(filepath.Join("..", "sdk", "trainer_sdk", "*.py"))
	inner, _ := filepath.Glob(filepath.Join("..", "sdk", "trainer_sdk", "*", "*.py"))
	sources = append(sources, inner...)
	if err != nil || count != len(sources)+1 { // and py.typed
		t.Errorf("%d files, the SDK has %d modules (%v)", count, len(sources), err)
	}
}

func TestWriteRefusesWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, "cell-counter", "plain"); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("got %v", err)
	}
	if err := Write(filepath.Join(dir, "absent", "cell-counter"), "cell-counter", "plain"); err == nil {
		t.Error("a folder in a folder that is not there")
	}
	if err := Write(filepath.Join(dir, "x"), "cell-counter", "jax"); err == nil || !strings.Contains(err.Error(), "plain, torch") {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("refusals left %v", left)
	}
}

func TestNames(t *testing.T) {
	for _, good := range []string{"a", "cell-counter", "yolo2"} {
		if err := CheckName(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "-a", "a-", "2d", "Cell", "a_b", "a.b", "../a", "a/b", "é", "timm", "ultralytics", strings.Repeat("a", maxName+1)} {
		if CheckName(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// The converters, which refuse what does not fit a task, take the sample of every task.
func TestSampleFitsEveryTask(t *testing.T) {
	for _, task := range contract.TaskTypes {
		dir := t.TempDir()
		source, out := filepath.Join(dir, "sample"), filepath.Join(dir, "prepared")
		if err := WriteSample(source, task); err != nil {
			t.Fatal(err)
		}
		result, err := converters.Prepare(t.Context(), converters.Request{
			Root: source, Out: out, Task: task, Format: contract.ResolveFormat("cell-counter", task), Strict: true,
		})
		if err != nil {
			t.Errorf("%s: %v", task, err)
			continue
		}
		if len(result.Classes.Classes) != len(sampleClasses) {
			t.Errorf("%s: %+v", task, result.Classes)
		}
	}
}

func TestSampleIsTheSameEveryTime(t *testing.T) {
	var files [2][]byte
	for i := range files {
		dir := t.TempDir()
		if err := WriteSample(dir, contract.TaskImageClassification); err != nil {
			t.Fatal(err)
		}
		body, err := os.ReadFile(filepath.Join(dir, "images", "disc-03.png"))
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(bytes.NewReader(body))
		if err != nil || picture.Bounds().Dx() != sampleSide {
			t.Fatalf("%v %v", picture, err)
		}
		annotations, err := os.ReadFile(filepath.Join(dir, "annotations.json"))
		if err != nil || !json.Valid(annotations) {
			t.Fatal(err)
		}
		files[i] = append(body, annotations...)
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("two samples differ")
	}
}
