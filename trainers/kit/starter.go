package kit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers"
)

// placeholder is the package's name in the templates, which are a working
// package themselves.
const placeholder = "my-trainer"

// Templates are the starters that Write knows: plain needs NumPy and Pillow,
// torch PyTorch.
var Templates = []string{"plain", "torch"}

// maxName keeps image tags, object keys and FRAMEWORK within their limits.
const maxName = 40

// CheckName says what is wrong with a package's name. The name becomes FRAMEWORK,
// an image tag and the beginning of model names.
func CheckName(name string) error {
	wrong := name == "" || len(name) > maxName || name[0] < 'a' || name[0] > 'z' || strings.HasSuffix(name, "-")
	wrong = wrong || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != ""
	if wrong {
		return fmt.Errorf("the name %q is not 1 to %d lower-case letters, digits and hyphens that begin with a letter, for example cell-counter", name, maxName)
	}
	if slices.Contains([]string{contract.FrameworkUltralytics, contract.FrameworkTimm, contract.FrameworkHuggingFace}, name) {
		return fmt.Errorf("the name %q is a trainer of the platform: choose another", name)
	}
	return nil
}

// Write makes the package's folder with everything in it, a sample dataset
// included. It never touches a folder that is there. On an error nothing stays.
func Write(dir, name, template string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if !slices.Contains(Templates, template) {
		return fmt.Errorf("the template %q is not one of %s", template, strings.Join(Templates, ", "))
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already: choose another name, or remove it", dir)
	}
	partial, err := os.MkdirTemp(filepath.Dir(dir), ".trainer-*")
	if err != nil {
		return fmt.Errorf("making the package's folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(partial) }()
	if err := fill(partial, name, template); err != nil {
		return err
	}
	if err := os.Chmod(partial, 0o755); err != nil {
		return err
	}
	if err := os.Rename(partial, dir); err != nil {
		return fmt.Errorf("making the package's folder: %w", err)
	}
	return nil
}

func fill(dir, name, template string) error {
	starter := trainers.Starter()
	for _, folder := range []string{"common", template} {
		files, err := fs.Sub(starter, folder)
		if err != nil {
			return err
		}
		if err := copyNamed(dir, files, name); err != nil {
			return err
		}
	}
	for _, packages := range []fs.FS{trainers.SDK(), trainers.Vision()} {
		if err := os.CopyFS(dir, packages); err != nil {
			return fmt.Errorf("writing the package: %w", err)
		}
	}
	return WriteSample(filepath.Join(dir, "sample"), contract.TaskImageClassification)
}

// copyNamed copies the files of a folder with the name in place of the
// placeholder. "dot-" begins the name of a hidden file, which go:embed leaves out.
func copyNamed(dir string, files fs.FS, name string) error {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		body, err := fs.ReadFile(files, e.Name())
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(string(body), placeholder, name)
		target := e.Name()
		if hidden, ok := strings.CutPrefix(target, "dot-"); ok {
			target = "." + hidden
		}
		if err := os.WriteFile(filepath.Join(dir, target), []byte(text), 0o644); err != nil {
			return fmt.Errorf("writing the package: %w", err)
		}
	}
	return nil
}
