package page

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

func get(t *testing.T, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func TestPageIsServedOnceAndThenByItsETag(t *testing.T) {
	for path, want := range map[string]string{"/": "text/html; charset=utf-8", "/assets/page.js": "text/javascript; charset=utf-8", "/assets/page.css": "text/css; charset=utf-8", "/assets/icon.svg": "image/svg+xml"} {
		first := get(t, path)
		if first.Code != 200 || first.Header().Get("Content-Type") != want || first.Body.Len() == 0 || first.Header().Get("Content-Security-Policy") != Policy {
			t.Errorf("%s: %d %v", path, first.Code, first.Header())
		}
		if again := get(t, path, "If-None-Match", first.Header().Get("ETag")); again.Code != http.StatusNotModified {
			t.Errorf("%s again: %d", path, again.Code)
		}
	}
	for _, path := range []string{"/assets/", "/assets/../page.go", "/dist/index.html", "/assets/none.js"} {
		if got := get(t, path); got.Code != 404 {
			t.Errorf("%s: %d", path, got.Code)
		}
	}
}

// What is committed is what the sources build to: `make page` writes it.
func TestPageIsBuiltFromItsSources(t *testing.T) {
	node := need.Program(t, "node", "apt-get install nodejs")
	modules := filepath.Join(need.Repository(), ".tools", "page", "node_modules")
	if _, err := os.Stat(modules); err != nil {
		need.Missing(t, "the page's tools (make .tools/page/node_modules): %v", err)
	}
	if newer := filepath.Join(modules, "node", "bin", "node"); isFile(newer) {
		node = newer // the machine's is too old for the tools
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "web"), os.DirFS("web")); err != nil {
		t.Fatal(err)
	}
	_ = os.RemoveAll(filepath.Join(dir, "web", "node_modules"))
	if err := os.Symlink(modules, filepath.Join(dir, "web", "node_modules")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"node_modules/typescript/bin/tsc"}, {"node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"}} {
		cmd := exec.CommandContext(t.Context(), node, args...)
		cmd.Dir = filepath.Join(dir, "web")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	want, got := tree(t, os.DirFS(filepath.Join(dir, "dist"))), tree(t, os.DirFS("dist"))
	for name := range want {
		if !bytes.Equal(want[name], got[name]) {
			t.Errorf("dist/%s is not what web/ builds to: run make page", name)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("dist/%s is built from nothing: run make page", name)
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func tree(t *testing.T, files fs.FS) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		all[name], err = fs.ReadFile(files, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Nothing of the page comes from elsewhere, and nothing is written into it as markup.
func TestPageAsksNobodyElse(t *testing.T) {
	for name, body := range tree(t, os.DirFS(filepath.Join("web", "src"))) {
		for _, wrong := range []string{"http://", "https://", "dangerouslySetInnerHTML", "innerHTML", "eval(", " style="} {
			if strings.Contains(string(body), wrong) {
				t.Errorf("web/src/%s has %s", name, wrong)
			}
		}
	}
}
