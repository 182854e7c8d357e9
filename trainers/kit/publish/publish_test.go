package publish_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/publish"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSameFilesGiveTheSameBytes(t *testing.T) {
	files := map[string]string{"train.py": "x", "sub/b.py": "y", "sub/a.py": "z", ".dockerignore": ""}
	more := map[string]string{".git/config": "", ".venv/bin/python": "", "sub/__pycache__/a.pyc": "", "old.pyc": "", "workspace/log": ""}
	var packed [2]bytes.Buffer
	for i := range packed {
		dir := t.TempDir()
		write(t, dir, files)
		if i == 1 {
			write(t, dir, more)
		}
		left, err := publish.Pack(dir, &packed[i])
		if err != nil {
			t.Fatal(err)
		}
		if want := [][]string{nil, {".git/", ".venv/", "old.pyc", "sub/__pycache__/", "workspace/"}}[i]; !slices.Equal(left, want) {
			t.Errorf("left %q, want %q", left, want)
		}
	}
	if !bytes.Equal(packed[0].Bytes(), packed[1].Bytes()) {
		t.Error("the bytes differ")
	}
	in, err := zip.NewReader(bytes.NewReader(packed[0].Bytes()), int64(packed[0].Len()))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range in.File {
		names = append(names, f.Name)
	}
	if want := []string{".dockerignore", "sub/a.py", "sub/b.py", "train.py"}; !slices.Equal(names, want) {
		t.Errorf("%v", names)
	}
}

func TestLinkIsNotPacked(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	if _, err := publish.Pack(dir, io.Discard); err == nil || !strings.Contains(err.Error(), "no plain file") {
		t.Errorf("got %v", err)
	}
}

// A hub that is away for a moment gets the whole upload again, under one key.
func TestBrokenUploadIsSentAgain(t *testing.T) {
	var tries atomic.Int32
	var keys []string
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		file, _, err := r.FormFile("file")
		if err != nil {
			t.Error(err)
			return
		}
		if text, err := io.ReadAll(file); string(text) != "bytes" || err != nil || r.URL.Query().Get("dry_run") != "true" {
			t.Errorf("%q, %v, %s", text, err, r.URL)
		}
		if tries.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"validation_job_id": "x"}`)
	}))
	defer hub.Close()
	dir := t.TempDir()
	write(t, dir, map[string]string{"trainer.zip": "bytes"})
	client, err := publish.New(hub.URL, "tah_x")
	if err != nil {
		t.Fatal(err)
	}
	made, err := client.Upload(t.Context(), filepath.Join(dir, "trainer.zip"), true)
	if made.ID != "x" || err != nil || len(keys) != 2 || keys[0] != keys[1] || keys[0] == "" {
		t.Errorf("%+v, %v, keys %v", made, err, keys)
	}
}

// A hub that is away says nothing of the package; one that refuses it does.
func TestAHubThatIsAwayIsToldFromOneThatRefuses(t *testing.T) {
	for status, away := range map[int]bool{http.StatusServiceUnavailable: true, http.StatusNotFound: false} {
		hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"detail": "no"}`)
		}))
		client, err := publish.New(hub.URL, "tah_x")
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Follow(t.Context(), "x", func(publish.Submission) {})
		if _, is := errors.AsType[*publish.Away](err); is != away || err == nil {
			t.Errorf("%d: %v", status, err)
		}
		_, err = client.Content(t.Context(), "cells", "sha256:1")
		if _, is := errors.AsType[*publish.Away](err); is != away || err == nil {
			t.Errorf("content, %d: %v", status, err)
		}
		hub.Close()
	}
}

// So is one that goes in the middle of a file: nothing is said of the file.
func TestAHubThatGoesInTheMiddleOfAFileIsAway(t *testing.T) {
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "half")
	}))
	defer hub.Close()
	client, err := publish.New(hub.URL, "tah_x")
	if err != nil {
		t.Fatal(err)
	}
	from, err := client.Content(t.Context(), "cells", "sha256:1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	text, err := io.ReadAll(from)
	if _, is := errors.AsType[*publish.Away](err); !is || string(text) != "half" {
		t.Errorf("%q, %v", text, err)
	}
}

// What a container runtime is told to fetch is the image that the release names.
func TestOnlyTheImageOfTheReleaseIsNamed(t *testing.T) {
	for answer, right := range map[string]bool{
		`{"image": "sha256:1", "reference": "hub/trainers/cells@sha256:1"}`: true,
		`{"image": "", "reference": ""}`:                                    true,
		`{"image": "sha256:1", "reference": "elsewhere/cells@sha256:2"}`:    false,
		`{"image": "sha256:1", "reference": "elsewhere/cells:latest"}`:      false,
		`{"image": "sha256:1", "reference": ""}`:                            false,
		`{"image": "", "reference": "elsewhere/cells@"}`:                    false,
	} {
		hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
		client, err := publish.New(hub.URL, "tah_x")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Find(t.Context(), "cells", ""); (err == nil) != right {
			t.Errorf("%s: %v", answer, err)
		}
		hub.Close()
	}
}

// The security step ends twice, after the scan and after the package has run: what the
// second end says is told too.
func TestAStepThatEndsOtherwiseIsToldAgain(t *testing.T) {
	changed := contract.Finding{Rule: "package.changed", Severity: contract.SeverityError, Text: "it changed itself"}
	var news publish.News
	for i, c := range []struct {
		steps []contract.StepReport
		told  int
	}{
		{nil, 0},
		{[]contract.StepReport{{Name: "security", Status: contract.StepPassed, Seconds: 1}}, 1},
		{[]contract.StepReport{{Name: "security", Status: contract.StepPassed, Seconds: 9}, {Name: "structure", Status: contract.StepPassed}}, 1},
		{[]contract.StepReport{{Name: "security", Status: contract.StepFailed, Findings: []contract.Finding{changed}}, {Name: "structure", Status: contract.StepPassed}}, 1},
	} {
		if told := news.Of(publish.Submission{Steps: c.steps}); len(told) != c.told {
			t.Errorf("answer %d: %+v", i, told)
		}
	}
}

func TestProblemIsTold(t *testing.T) {
	answers := map[string]string{
		`{"detail": "the package cannot be taken", "errors": [{"location": "body.file", "message": "it is no zip"}]}`: "the hub refused it: the package cannot be taken (body.file: it is no zip)",
		`<html>`: "is it a trainer-hub?",
	}
	for answer, want := range answers {
		hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, answer)
		}))
		client, err := publish.New(hub.URL, "tah_x")
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		write(t, dir, map[string]string{"trainer.zip": "bytes"})
		if _, err := client.Upload(t.Context(), filepath.Join(dir, "trainer.zip"), true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		hub.Close()
	}
	for _, hub := range []string{"", "hub", "ftp://hub", "http://"} {
		if _, err := publish.New(hub, "tah_x"); err == nil || !strings.Contains(err.Error(), "TRAINER_HUB_URL") {
			t.Errorf("%q: %v", hub, err)
		}
	}
	if _, err := publish.New("http://hub", ""); err == nil || !strings.Contains(err.Error(), "TRAINER_HUB_TOKEN") {
		t.Errorf("%v", err)
	}
}
