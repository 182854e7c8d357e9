package page

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

var jan = time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)

// TestThePageInABrowser plays jobs against the sandbox and looks at the page in
// headless Chromium. Screenshots go to PAGE_SHOTS, when it is set.
func TestThePageInABrowser(t *testing.T) {
	node, chromium, folder := need.Browser(t)
	s := start(t)
	s.fill("demo")
	for _, name := range []string{"results.json", "visualizations/0.jpg", "visualizations/1.jpg"} {
		s.put("test-runs/tested/"+name, []byte("{}"))
	}
	s.mux.HandleFunc("POST /test/stop", func(http.ResponseWriter, *http.Request) {
		_ = s.backend.Close() // ends the streams, as the end of the sandbox does
		_ = s.server.Listener.Close()
	})
	shots := os.Getenv("PAGE_SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	report := reportOf(t)
	cmd := exec.CommandContext(t.Context(), node, filepath.Join("testdata", "browser.mjs"))
	cmd.Env = append(os.Environ(), "PAGE_URL="+s.server.URL, "PAGE_TOKEN="+token, "PAGE_SHOTS="+shots, "CHROMIUM="+chromium, "NODE_FOLDER="+folder, "REPORT="+report)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("browser.mjs: %v", err)
	}
}

// reportOf is a test run's report.html, as the trainers write it.
func reportOf(t *testing.T) (path string) {
	t.Helper()
	dir := t.TempDir()
	trainers := filepath.Join(need.Repository(), "trainers")
	cmd := exec.CommandContext(t.Context(), need.Python(t), filepath.Join("testdata", "report.py"), dir)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(trainers, "sdk")+":"+filepath.Join(trainers, "vision"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "report.html")
}
