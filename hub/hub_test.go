package hub_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/store/storetest"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
	}
	os.Exit(storetest.Main(m))
}

const maxPackage = 1 << 20

// running is a hub that serves until the test ends.
type running struct {
	*hub.Hub
	config hub.Config
}

func start(t *testing.T, config hub.Config) running {
	t.Helper()
	if config.DataDir == "" {
		config.DataDir = filepath.Join(t.TempDir(), "data")
	}
	config.Addr, config.MaxPackage, config.Log = "127.0.0.1:0", maxPackage, slog.New(slog.NewTextHandler(t.Output(), nil))
	h, err := hub.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return running{h, config}
}

// token makes a user's token as `trainer-hub token` does.
func (r running) token(t *testing.T, name, role string, scopes ...string) string {
	t.Helper()
	db, err := hub.OpenDatabase(t.Context(), r.config.DataDir, r.config.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	users := login.New(db, time.Now)
	id, err := users.Ensure(t.Context(), name, role)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, err := users.MakeToken(t.Context(), id, "test", scopes, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// reporting takes steps as a proof does.
func reporting(steps ...contract.StepReport) hub.Stage {
	return func(ctx context.Context, w *hub.Work) error {
		for _, step := range steps {
			if err := w.Begin(ctx, step.Name); err != nil {
				return err
			}
			if err := w.Report(ctx, step); err != nil {
				return err
			}
			if step.Status == contract.StepFailed {
				return &hub.Rejection{Reason: step.Name + " failed"}
			}
		}
		return nil
	}
}

// waiting works until it is stopped.
func waiting(begun chan<- string) hub.Stage {
	return func(ctx context.Context, w *hub.Work) error {
		select {
		case begun <- w.Dir:
		case <-ctx.Done():
		}
		<-ctx.Done()
		return ctx.Err()
	}
}

// A cancelled submission stops at once, and leaves nothing.
func TestCancelEndsTheWork(t *testing.T) {
	begun := make(chan string, 1)
	r := start(t, hub.Config{Stages: hub.Stages{submission.Testing: waiting(begun)}})
	ann := r.client(t, "ann")
	id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
	dir := <-begun
	if got := ann.ask(t, http.MethodPost, "/api/v1/trainers/validation/"+id+"/cancel"); got.status != 200 || !strings.Contains(got.body, `"state":"cancelled"`) {
		t.Fatalf("%+v", got)
	}
	again := ann.submit(t, "another-one", "1.0.0", "?dry_run=true")
	<-begun // the worker is free
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("left behind: %v", err)
	}
	if got := ann.ask(t, http.MethodPost, "/api/v1/trainers/validation/"+id+"/retry"); got.status != 200 || !strings.Contains(got.body, `"attempt":2`) {
		t.Errorf("%+v", got)
	}
	for _, open := range []string{again, id} {
		if got := ann.ask(t, http.MethodPost, "/api/v1/trainers/validation/"+open+"/cancel"); got.status != 200 {
			t.Errorf("%+v", got)
		}
	}
}

// A hub that stops gives its work back at once; the next one begins it again.
func TestStopGivesTheWorkBack(t *testing.T) {
	begun := make(chan string, 1)
	config := hub.Config{DataDir: filepath.Join(t.TempDir(), "data"), Stages: hub.Stages{submission.Testing: waiting(begun)}}
	var id string
	t.Run("first", func(t *testing.T) {
		r := start(t, config)
		id = r.client(t, "ann").submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
		<-begun
	})
	config.Stages = nil
	r := start(t, config)
	ann := r.client(t, "ann")
	ann.follow(t, id)
	if v := ann.get(t, id); v.State != submission.Proven || v.Attempt != 1 {
		t.Errorf("%+v", v)
	}
}

func TestRejectionNamesItsReason(t *testing.T) {
	r := start(t, hub.Config{Stages: hub.Stages{submission.Scanning: reporting(contract.StepReport{Name: "pickles", Status: contract.StepFailed, Findings: []contract.Finding{
		{Rule: "pickle.global", Severity: contract.SeverityError, File: "weights.pkl", Text: "it calls os.system", Fix: "use safetensors"},
		{Rule: "vulnerability.x", Severity: contract.SeverityWarning, File: "requirements.txt", Text: "waived"},
	}})}})
	ann := r.client(t, "ann")
	id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
	ann.follow(t, id)
	v := ann.get(t, id)
	if v.Status != "failed" || v.State != submission.Rejected || v.Reason != "pickles failed" || v.Results["security"].Passed {
		t.Errorf("%+v", v)
	}
	if got := v.Results["security"]; len(got.Issues) != 2 || len(got.Threats) != 1 || !strings.Contains(got.Threats[0], "os.system") {
		t.Errorf("a warning is no threat: %+v", got)
	}
}

func TestWhereTheHubKeepsItsFilesIsNotTold(t *testing.T) {
	r := start(t, hub.Config{Stages: hub.Stages{submission.Testing: func(ctx context.Context, w *hub.Work) error {
		return w.Report(ctx, contract.StepReport{Name: "structure", Status: contract.StepPassed, Log: "reading " + w.Dir + "/tested/train.py", Findings: []contract.Finding{
			{Rule: "x", Severity: contract.SeverityNote, Text: w.Dir + "/a", Fix: "look at " + w.File},
		}})
	}}})
	ann := r.client(t, "ann")
	id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
	ann.follow(t, id)
	at := "/api/v1/trainers/validation/" + id
	for _, path := range []string{at, at + "/log", at + "/log?step=structure", at + "/events"} {
		if got := ann.ask(t, http.MethodGet, path); got.status != 200 || strings.Contains(got.body, r.config.DataDir) {
			t.Errorf("%s: %s", path, got.body)
		}
	}
	if got := ann.ask(t, http.MethodGet, at+"/log?step=structure").body; got != "reading …/tested/train.py" {
		t.Errorf("got %q", got)
	}
	if got := ann.ask(t, http.MethodGet, at+"/log?step=other").body; got != "" {
		t.Errorf("got %q", got)
	}
}

// Nor why a stage ended, which is in events and in what the author is told.
func TestWhyAStageEndedTellsNoPaths(t *testing.T) {
	ends := make(chan error, 1)
	r := start(t, hub.Config{Database: storetest.Postgres(t), Stages: hub.Stages{submission.Testing: func(_ context.Context, w *hub.Work) error {
		text := fmt.Sprintf("mkdir %s/x beside %s and %s: no space\x00 left\xff", w.Dir, w.File, w.Lock)
		if err := <-ends; err != nil {
			return &hub.Rejection{Reason: text}
		}
		return errors.New(text)
	}}})
	ann := r.client(t, "ann")
	const want = "mkdir …/x beside …/"
	for kind, end := range map[string]error{"fault": nil, "state": errors.New("reject")} {
		ends <- end
		id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
		ctx, stop := context.WithTimeout(t.Context(), streamPatience)
		_, events := ann.stream(ctx, t, id)
		lines, told := bufio.NewScanner(events), ""
		for lines.Scan() && !strings.Contains(told, "no space left") {
			told = lines.Text()
		}
		stop()
		if !strings.Contains(told, want) || strings.Contains(told, r.config.DataDir) {
			t.Errorf("%s: %q", kind, told)
		}
		_ = ann.ask(t, http.MethodPost, "/api/v1/trainers/validation/"+id+"/cancel")
	}
}

func TestTwoHubsDoNotShareAFolder(t *testing.T) {
	r := start(t, hub.Config{})
	config := r.config
	if h, err := hub.Open(t.Context(), config); err == nil || !strings.Contains(err.Error(), "another hub runs on") {
		t.Errorf("%v", err)
		_ = h.Close()
	}
}
