package kit_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
	"github.com/vision-platform/trainer-agent/testdata/zips"
	"github.com/vision-platform/trainer-agent/trainers/kit"
	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

// hostile is a package and what must be said of it.
type hostile struct{ step, rule, text, limit, disk string }

func parseHostile(t *testing.T, comment []byte) (h hostile) {
	t.Helper()
	for line := range strings.Lines(string(comment)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		to, known := map[string]*string{"step": &h.step, "rule": &h.rule, "text": &h.text, "limit": &h.limit, "disk": &h.disk}[key]
		if !known {
			t.Fatalf("%q is no line of a hostile package", line)
		}
		*to = value
	}
	return h
}

// built is the agent, and a package that passes.
func built(t *testing.T) (agent, starter string) {
	t.Helper()
	dir := t.TempDir()
	agent = filepath.Join(dir, "trainer-agent")
	if err := need.Build(agent, "./cmd/trainer-agent"); err != nil {
		t.Fatal(err)
	}
	starter = filepath.Join(t.TempDir(), "cell-counter")
	if err := kit.Write(starter, "cell-counter", "plain"); err != nil {
		t.Fatal(err)
	}
	return agent, starter
}

// validated runs the agent as its user would and returns its last word. It must leave
// nothing in the folder for temporary files.
func validated(t *testing.T, agent, level, python, pack string, args ...string) (last contract.PackageValidation, out string) {
	t.Helper()
	temp := t.TempDir()
	cmd := exec.Command(agent, append([]string{"validate", "--json", "--isolation", level, "--python", python, pack}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit, is := errors.AsType[*exec.ExitError](err); err != nil && (!is || exit.ExitCode() != int(contract.ExitFailed)) {
		t.Fatalf("%v %s", err, stderr.String())
	}
	lines := bufio.NewScanner(&stdout)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		out = lines.Text()
	}
	if err := json.Unmarshal([]byte(out), &last); err != nil || last.Status == "validating" {
		t.Fatalf("%v %s %s", err, out, stderr.String())
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("it left %v %v", left, err)
	}
	return last, out
}

func TestHostilePackagesEndInTheirOwnFinding(t *testing.T) {
	need.Program(t, "bwrap", "apt install bubblewrap")
	hostilePackages(t, runner.LevelNamespaces)
}

// In containers those are looked at whose code must be kept from something; all of them by
// make test-container, which sets HOSTILE_PACKAGES.
func TestHostilePackagesEndInTheirOwnFindingInAContainer(t *testing.T) {
	need.Program(t, "podman", "apt install podman")
	if os.Getenv("HOSTILE_PACKAGES") == "all" {
		hostilePackages(t, runner.LevelContainer)
		return
	}
	hostilePackages(t, runner.LevelContainer, "fork-bomb", "uses-the-network")
}

// hostilePackages has the packages looked at, all where none is named.
func hostilePackages(t *testing.T, level string, names ...string) {
	t.Helper()
	python := need.Python(t)
	agent, starter := built(t)
	if got, out := validated(t, agent, level, python, starter); got.Status == "failed" {
		t.Fatalf("the package that they are made from does not pass: %s", out)
	}
	files, err := filepath.Glob(filepath.Join(need.Repository(), "testdata", "packages", "*.txtar"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d packages (%v)", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, dir := parseHostile(t, content.Comment), overlaid(t, starter, content.Files)
			var args []string
			if want.limit != "" {
				args = append(args, "--limit", want.limit)
			}
			if want.disk != "" {
				args = append(args, "--disk", want.disk)
			}
			started := time.Now()
			got, out := validated(t, agent, level, python, dir, args...)
			if got.Status != "failed" || !says(got.Results[want.step], want) {
				t.Errorf("want %+v, got %s", want, out)
			}
			if took := time.Since(started); took > 2*time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func says(result contract.StepResult, want hostile) bool {
	for _, f := range result.Findings {
		if f.Rule == want.rule && f.Severity == contract.SeverityError && strings.Contains(kit.Issue(f), want.text) {
			return !result.Passed
		}
	}
	return false
}

func overlaid(t *testing.T, starter string, files []txtar.File) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cell-counter")
	if err := os.CopyFS(dir, os.DirFS(starter)); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		err := os.Remove(path)
		if string(f.Data) != "(none)\n" {
			err = os.WriteFile(path, f.Data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Archives are refused before anything of them is on the disk or run.
func TestHostileArchivesAreRefusedByTheAgent(t *testing.T) {
	need.Program(t, "bwrap", "apt install bubblewrap")
	python := need.Python(t)
	agent, starter := built(t)
	whole := filepath.Join(t.TempDir(), "whole.zip")
	zipped(t, whole, func(w *zip.Writer) error { return w.AddFS(os.DirFS(filepath.Dir(starter))) })
	for rule, fill := range map[string]func(*zip.Writer) error{
		"archive.path": func(w *zip.Writer) error { return zips.Add(w, "../../tmp/x", "x", 0) },
		"archive.link": func(w *zip.Writer) error { return zips.Add(w, "train.py", "/etc/passwd", fs.ModeSymlink|0o777) },
		"archive.name": func(w *zip.Writer) error { return zips.Add(w, "caf\xe9.py", "", 0) },
		"archive.collision": func(w *zip.Writer) error {
			return errors.Join(zips.Add(w, "Train.py", "", 0), zips.Add(w, "train.py", "", 0))
		},
		"archive.bomb": func(w *zip.Writer) error { return zips.Add(w, "zeros", strings.Repeat("\x00", 16<<20), 0) },
		"archive.files": func(w *zip.Writer) error {
			for i := range 10_000 {
				if err := zips.Add(w, strconv.Itoa(i), "", 0); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(rule, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.zip")
			zipped(t, path, fill)
			got, out := validated(t, agent, runner.LevelNamespaces, python, path)
			if got.Status != "failed" || got.StepsCompleted != 1 || !says(got.Results["structure"], hostile{rule: rule}) {
				t.Errorf("%s", out)
			}
		})
	}
	if got, out := validated(t, agent, runner.LevelNamespaces, python, whole); got.Status == "failed" {
		t.Errorf("a good archive: %s", out)
	}
}

func zipped(t *testing.T, path string, fill func(*zip.Writer) error) {
	t.Helper()
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(out)
	if err := errors.Join(fill(w), w.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
}
