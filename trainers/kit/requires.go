package kit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/vision-platform/trainer-agent/contract"
)

// Requires is what the package in a folder needs where it runs: nothing where it says
// nothing of it, or is a bare script.
func Requires(dir string) (contract.Requires, error) {
	var document struct {
		Requires contract.Requires `json:"requires"`
	}
	body, err := readDocument(filepath.Join(dir, "capabilities.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return document.Requires, nil
	}
	if err == nil {
		err = json.Unmarshal(body, &document)
	}
	if err != nil {
		return document.Requires, fmt.Errorf("reading capabilities.json: %w", err)
	}
	if wrong := document.Requires.Wrong(); len(wrong) > 0 {
		return document.Requires, fmt.Errorf("capabilities.json: %s", wrong[0])
	}
	return document.Requires, nil
}

var (
	called     = regexp.MustCompile(`^python(\d+\.\d+)$`)
	configured = regexp.MustCompile(`(?m)^version(?:_info)? *= *(\d+\.\d+(?:\.\d+)?)`)
)

// PythonVersion is an interpreter's version, "" where its path does not tell. It is not asked:
// what an image calls Python would run beside the agent, with its rights.
func PythonVersion(program string) string {
	path, err := exec.LookPath(program)
	if err != nil {
		return ""
	}
	if config, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(path)), "pyvenv.cfg")); err == nil {
		if m := configured.FindSubmatch(config); m != nil {
			return string(m[1])
		}
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return ""
	}
	if m := called.FindStringSubmatch(filepath.Base(path)); m != nil {
		return m[1]
	}
	return ""
}

// version is that of the Python of the tools: an image's has no file here that would tell.
func (t Tools) version() string {
	if t.Image {
		return t.Version
	}
	return PythonVersion(t.Python)
}

// checkRequires says what of the requirements no place can meet, and what this one does not.
// Whether there is a GPU, the training finds out.
func (v *Validator) checkRequires(r contract.Requires) (found []finding) {
	const file, rule = "capabilities.json", "capabilities.requires"
	for _, text := range r.Wrong() {
		found = append(found, fault(rule, file, text))
	}
	if len(found) > 0 {
		return found
	}
	for _, unmet := range r.Unmet(contract.Place{Agent: contract.Version, Python: v.Tools.version()}) {
		f := v.naming(with(fault(rule, file, unmet.String()), "require what it is proven with, or have it proven where that is"), unmet.Needs)
		if unmet.Has == "" {
			f.Severity, f.Fix = contract.SeverityWarning, ""
		}
		found = append(found, f)
	}
	return found
}
