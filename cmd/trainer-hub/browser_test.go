package main_test

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/jobtest"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// The whole way, as an author and then somebody else go it: a package of `trainer-agent
// init` is uploaded in a browser, really proven and published; it is installed, a job on the
// sandbox's platform trains with it through the hub, and the browser shows its numbers.
func TestFromABrowserToATraining(t *testing.T) {
	node, chromium, folder := need.Browser(t)
	p, err := jobtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	a := serve(t, "--platform", p.URL)
	a.init(t, "cell-counter")
	shots := os.Getenv("PAGE_SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	cmd := exec.CommandContext(t.Context(), node, filepath.Join("testdata", "browser.mjs"))
	cmd.Env = append(os.Environ(), "LINK="+a.link, "PACKAGE="+zipped(t, filepath.Join(a.dir, "cell-counter")), "PAGE_SHOTS="+shots, "CHROMIUM="+chromium, "NODE_FOLDER="+folder)
	var said strings.Builder
	cmd.Stderr = &said
	answer, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		t.Log(lines.Text())
		if lines.Text() == "published" { // the browser waits
			_, err = io.WriteString(answer, a.installedAndTrained(t, p)+"\n")
		}
	}
	if err := errors.Join(err, cmd.Wait()); err != nil {
		t.Fatalf("browser.mjs: %v\n%s", err, said.String())
	}
}

// installedAndTrained installs the trainer, trains with what install printed, and returns the
// primary metric as the page shows it.
func (a author) installedAndTrained(t *testing.T, p *jobtest.Platform) string {
	t.Helper()
	out, code := a.run(t, "trainer-agent", "install", "cell-counter", "--dir", "installed", "--python", need.Python(t))
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	var environment []string
	for line := range strings.Lines(out) {
		if name, _, ok := strings.Cut(line, "="); ok && strings.HasPrefix(name, "TRAINER_") && !strings.Contains(name, " ") {
			environment = append(environment, strings.TrimSpace(line))
		}
	}
	if len(environment) != 3 { // name, version, digest
		t.Fatalf("install printed %q", environment)
	}
	done := trains(t, a, p, filepath.Join(a.dir, "installed"), append(environment, "BACKEND_BASE_URL="+a.url)...)
	return fmt.Sprintf("accuracy %.3f", done.FinalMetrics["accuracy"])
}

// zipped is a folder as a zip, as a file manager makes it.
func zipped(t *testing.T, dir string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "package.zip")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(file)
	if err := z.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
