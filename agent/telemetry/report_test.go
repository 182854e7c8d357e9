package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestLogLinesHideSecretsAndCarryTheIDs(t *testing.T) {
	var out bytes.Buffer
	log := NewLogger(&out, LogOptions{Level: "info", Secrets: []string{"s3cr3t", "ab"}, JobID: "j1", TraceID: "t1"})
	log.Info("using s3cr3t", "key", "xs3cr3tx")
	log.Debug("not shown")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("not one JSON line: %v: %s", err, out.String())
	}
	if strings.Contains(out.String(), "s3cr3t") || line["key"] != "x***x" {
		t.Errorf("secret not masked: %s", out.String())
	}
	if line["job_id"] != "j1" || line["trace_id"] != "t1" {
		t.Errorf("ids missing: %s", out.String())
	}
}

func TestTrainingLogKeepsBeginningAndEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "training.log")
	log, err := CreateTrainingLog(path, 4000, false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		fmt.Fprintf(log, "line %d\n", i)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if !strings.HasPrefix(text, "line 0\nline 1\n") || !strings.HasSuffix(text, "line 998\nline 999\n") {
		t.Errorf("beginning or end lost: %.40q … %q", text, text[len(text)-40:])
	}
	if len(text) > 4200 || !strings.Contains(text, "left out here") {
		t.Errorf("%d bytes, gap marked: %v", len(text), strings.Contains(text, "left out here"))
	}
	if rest, _ := filepath.Glob(path + ".tail*"); rest != nil {
		t.Errorf("parts left behind: %v", rest)
	}
}

// The end of a log tells why a job failed, most of all when the disk was full.
func TestTheEndOfATrainingLogNeedsNoRoomToBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "training.log")
	log, err := CreateTrainingLog(path, 4000, false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		fmt.Fprintf(log, "line %d\n", i)
	}
	full, err := os.Open(path) // takes nothing
	if err != nil {
		t.Fatal(err)
	}
	_ = log.head.Close()
	log.head = full
	body, size, err := log.Finish()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(io.NewSectionReader(body, 0, size))
	if err != nil || !strings.HasPrefix(string(text), "line 0\n") || !strings.Contains(string(text), "left out here]\nline ") || !strings.HasSuffix(string(text), "\nline 999\n") {
		t.Errorf("%v: %d bytes, %.40q … %q", err, len(text), text, text[max(0, len(text)-40):])
	}
	piece := make([]byte, 700)
	for at := range len(text) {
		n, err := body.ReadAt(piece, int64(at))
		if !bytes.Equal(piece[:n], text[at:min(at+len(piece), len(text))]) || (err == nil) != (n == len(piece)) {
			t.Fatalf("%d bytes at %d: %v", n, at, err)
		}
	}
	if err := log.Close(); err == nil || !strings.Contains(err.Error(), "stays in "+path) {
		t.Errorf("nobody is told where the end is: %v", err)
	}
	if rest, _ := filepath.Glob(path + ".tail*"); len(rest) != 2 {
		t.Errorf("the end of the log is in %v", rest)
	}
}

func TestTerminationMessageFitsAndStaysJSON(t *testing.T) {
	failure := contract.Failf(contract.CodeTrainingFailed, "%s", strings.Repeat("é", 3000)).WithHint("%s", strings.Repeat("h", 3000))
	for i := range 50 {
		_ = failure.WithEvidence(fmt.Sprintf("%d %s", i, strings.Repeat("e", 2000)))
	}
	path := filepath.Join(t.TempDir(), "termination-log")
	if err := (&Termination{Path: path}).Final(contract.Result{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("a termination log was made where the kubelet made none")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&Termination{Path: path}).Final(contract.Result{JobID: "j", ExitCode: 1, Error: failure}); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(path)
	var r contract.Result
	if err := json.Unmarshal(b, &r); err != nil || len(b) > 4096 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if r.Error.Code != contract.CodeTrainingFailed || !strings.HasPrefix(r.Error.Evidence[0], "0 ") {
		t.Errorf("lost the point: %+v", r.Error)
	}
}

func TestLongReasonsDoNotTakeTheFailureFromATerminationMessage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "termination-log")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	reason := contract.ManifestFailed{Name: "last.pt", Reason: strings.Repeat("r", 2000)}
	failure := contract.Failf(contract.CodeStorageError, "The checkpoint is not in the bucket.")
	r := contract.Result{JobID: "j", ExitCode: 75, Error: failure, NotUploaded: []contract.ManifestFailed{reason, reason, reason}}
	if err := (&Termination{Path: path}).Final(r); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(path)
	var got contract.Result
	if err := json.Unmarshal(b, &got); err != nil || len(b) > 4096 || got.Error == nil || got.Error.Code != contract.CodeStorageError {
		t.Errorf("%d bytes, %v: %.300s", len(b), err, b)
	}
}

// Where the kubelet made no file, a training that is root can put anything in its place.
func TestATerminationMessageGoesIntoNoPipeAndThroughNoLink(t *testing.T) {
	dir := t.TempDir()
	pipe, link, other := filepath.Join(dir, "pipe"), filepath.Join(dir, "link"), filepath.Join(dir, "other")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.WriteFile(other, []byte("another's"), 0o600), os.Symlink(other, link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, link} {
		if err := (&Termination{Path: path}).Final(contract.Result{JobID: "j"}); err != nil {
			t.Error(err)
		}
	}
	if b, err := os.ReadFile(other); err != nil || string(b) != "another's" {
		t.Errorf("%q %v", b, err)
	}
}

func TestAnEarlyTerminationMessageNeverReplacesTheFinalOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "termination-log")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	message := &Termination{Path: path}
	says := func(want string) {
		t.Helper()
		if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), want) || want == "" && len(b) > 0 {
			t.Errorf("%q, %v, want %q", b, err, want)
		}
	}
	for _, step := range []struct {
		do   func(contract.Result) error
		job  string
		want string
	}{
		{message.Early, "early", `"job_id":"early"`},
		{func(contract.Result) error { return message.Clear() }, "", ""},
		{message.Early, "early", `"job_id":"early"`},
		{message.Final, "final", `"job_id":"final"`},
		{message.Early, "late", `"job_id":"final"`},
		{func(contract.Result) error { return message.Clear() }, "", `"job_id":"final"`},
	} {
		if err := step.do(contract.Result{JobID: step.job}); err != nil {
			t.Fatal(err)
		}
		says(step.want)
	}
}
