package runner

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// The interpreter is asked outside of the isolation, with a HOME that all users may share.
func TestAskingAnInterpreterRunsNothingThatLiesBelowHome(t *testing.T) {
	python := need.Program(t, "python3", "apt-get install python3")
	home := t.TempDir()
	env := []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	ask := exec.Command(python, "-c", "import site; print(site.ENABLE_USER_SITE, site.getusersitepackages())")
	ask.Env = env
	said, err := ask.Output()
	enabled, folder, _ := strings.Cut(strings.TrimSpace(string(said)), " ")
	if err != nil || enabled != "True" {
		need.Missing(t, "%s has no packages of users, as that of a virtual environment (%s, %v)", python, said, err)
	}
	ran := filepath.Join(home, "ran")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "usercustomize.py"), []byte("open('"+ran+"', 'w')\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if paths, err := PythonPaths(t.Context(), python, env); err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("usercustomize.py of HOME has run")
	}
}
