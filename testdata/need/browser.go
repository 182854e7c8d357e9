package need

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Browser finds node, Chromium (CHROMIUM, else by name) and the folder whose
// node_modules holds playwright-core and axe-core (.tools/node, where .ci/run puts them).
func Browser(t *testing.T) (node, chromium, folder string) {
	t.Helper()
	node = Program(t, "node", "apt-get install nodejs")
	chromium = os.Getenv("CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); chromium == "" && err == nil {
			chromium = path
		}
	}
	if chromium == "" {
		Missing(t, "Chromium (apt-get install chromium)")
	}
	folder = filepath.Join(Repository(), ".tools", "node")
	for _, name := range []string{"playwright-core", "axe-core"} {
		if _, err := os.Stat(filepath.Join(folder, "node_modules", name)); err != nil {
			Missing(t, "%s (npm install --prefix .tools/node playwright-core@1.65.1 axe-core@4.14.1): %v", name, err)
		}
	}
	return node, chromium, folder
}
