package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// asking bounds the question to an interpreter.
const asking = 30 * time.Second

// PythonPaths are the files and folders that an interpreter needs: itself, its standard
// library, and where it finds packages. The interpreter is the operator's, and is asked
// outside of any isolation, in a folder without code, and without the code that somebody
// may have put for it below HOME, which may be a folder that all users share.
func PythonPaths(ctx context.Context, python string, env []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	const question = "import json, sys; print(json.dumps([sys.prefix, sys.base_prefix, sys.executable, sys._base_executable] + sys.path))"
	cmd := exec.CommandContext(ctx, python, "-s", "-c", question)
	cmd.Env, cmd.Dir = env, "/"
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("asking %s for its folders: %w", python, err)
	}
	var answer, paths []string
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, fmt.Errorf("asking %s for its folders: %w", python, err)
	}
	for _, path := range answer {
		if _, err := os.Stat(path); err == nil && filepath.IsAbs(path) && path != "/" && !within(path, paths) {
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// Exposed is the folder by which isolated code reads a path, because the interpreter or every
// program needs that folder; "" when there is none. The path must be there.
func Exposed(ctx context.Context, python string, env []string, path string) (string, error) {
	paths, err := PythonPaths(ctx, python, env)
	if err != nil {
		return "", err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	for _, folder := range append([]string{"/usr"}, paths...) {
		if at, err := filepath.EvalSymlinks(folder); err == nil && (path == at || strings.HasPrefix(path, at+string(filepath.Separator))) {
			return folder, nil
		}
	}
	return "", nil
}

// within says whether a path lies in one of some folders, or in a system folder.
func within(path string, folders []string) bool {
	for _, folder := range append([]string{"/usr", "/bin", "/lib"}, folders...) {
		if path == folder || strings.HasPrefix(path, folder+string(filepath.Separator)) {
			return true
		}
	}
	return false
}
