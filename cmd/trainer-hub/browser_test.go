package main_test

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// The whole way as an author goes it in a browser: the printed link, a package of
// `trainer-agent init`, a real proof.
func TestPackageIsProvenInABrowser(t *testing.T) {
	node, chromium, folder := need.Browser(t)
	a := serve(t)
	a.init(t, "cell-counter")
	shots := os.Getenv("PAGE_SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	cmd := exec.CommandContext(t.Context(), node, filepath.Join("testdata", "browser.mjs"))
	cmd.Env = append(os.Environ(), "LINK="+a.link, "PACKAGE="+zipped(t, filepath.Join(a.dir, "cell-counter")), "PAGE_SHOTS="+shots, "CHROMIUM="+chromium, "NODE_FOLDER="+folder)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("browser.mjs: %v", err)
	}
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
