package agent

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/doctor"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/settings"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/contract"
)

// backend writes down what it is told, and may act on it.
type backend struct {
	on func(said string)

	mu   sync.Mutex
	raw  bytes.Buffer
	said []string // kinds; of events the type, of a done its status and code
}

func (b *backend) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var body struct {
		EventType string            `json:"event_type"`
		Status    string            `json:"status"`
		Error     *contract.Failure `json:"error"`
	}
	b.mu.Lock()
	_ = json.NewDecoder(io.TeeReader(r.Body, &b.raw)).Decode(&body)
	b.mu.Unlock()
	said := path.Base(r.URL.Path)
	switch {
	case body.EventType != "":
		said = body.EventType
	case body.Error != nil:
		said += " " + body.Status + " " + string(body.Error.Code)
	case body.Status != "":
		said += " " + body.Status
	}
	b.mu.Lock()
	b.said = append(b.said, said)
	b.mu.Unlock()
	if b.on != nil {
		b.on(said)
	}
}

// missing are those of want that were not said in this order.
func (b *backend) missing(want []string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, said := range b.said {
		if len(want) > 0 && said == want[0] {
			want = want[1:]
		}
	}
	return want
}

// jobWith is a job without a dataset, on a local bucket, before a backend.
func jobWith(t *testing.T, b http.Handler, environ map[string]string, command ...string) Options {
	t.Helper()
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	root := t.TempDir()
	for name, value := range map[string]string{
		"JOB_ID": "job-1", "BACKEND_BASE_URL": server.URL, "CALLBACK_TOKEN": "the-callback-token", "TASK_TYPE": "object_detection", "MODEL_NAME": "yolo11n",
		"STORAGE_TYPE": "local", "DATASET_PATH": root, "AGENT_DATASET_FORMAT": "none", "EPOCHS": "3", "WORKSPACE_DIR": filepath.Join(root, "ws"),
		"AGENT_FLUSH_TIMEOUT": "1m", "AGENT_STOP_GRACE": "20s", "CHECKPOINT_FREQUENCY": "1",
	} {
		t.Setenv(name, value)
	}
	for name, value := range environ {
		t.Setenv(name, value)
	}
	cfg, problems := config.Load()
	supervisor, err := process.NewSupervisor(process.Options{NoCgroup: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = supervisor.Close() })
	return Options{Config: cfg, Problems: problems, Command: command, Supervisor: supervisor, Environ: os.Environ(), Stdout: io.Discard,
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Quiet: true}
}

// resultIn is what the job left in its bucket.
func resultIn(t *testing.T, o Options) (r contract.Result) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(o.Config.LocalBucketDir, contract.ResultKey("job-1")))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

const saves = `mkdir -p "$OUTPUT_DIR/checkpoints" && echo weights > "$OUTPUT_DIR/checkpoints/best.ckpt" && echo trained; `

// TestTheLifeOfAJob is from the environment to the result in the bucket, once for each
// part of a life that can end it.
func TestTheLifeOfAJob(t *testing.T) {
	for name, c := range map[string]struct {
		environ map[string]string
		script  string // "" is a program that there is not
		exit    int
		code    contract.Code
		child   int
		said    []string
	}{
		"it trains":        {nil, saves, contract.ExitOK, "", 0, []string{"agent_started", "training_started", "checkpoint_saved", "done succeeded"}},
		"it fails":         {nil, saves + "exit 3", contract.ExitFailed, contract.CodeTrainingFailed, 3, []string{"agent_started", "training_started", "done failed TRAINING_FAILED"}},
		"it saves nothing": {nil, "echo trained", contract.ExitFailed, contract.CodeTrainingFailed, 0, []string{"training_started", "done failed TRAINING_FAILED"}},
		"there is no such program": {nil, "", contract.ExitFailed, contract.CodeTrainingFailed, contract.ExitNotFound,
			[]string{"agent_started", "done failed TRAINING_FAILED"}},
		"the dataset is not there": {map[string]string{"DATASET_PATH": "/nowhere"}, saves, contract.ExitFailed, contract.CodeDatasetNotFound, -1,
			[]string{"done failed DATASET_NOT_FOUND"}},
		"the configuration is wrong": {map[string]string{"EPOCHS": "many"}, saves, contract.ExitFailed, contract.CodeConfigInvalid, -1, []string{"done failed CONFIG_INVALID"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &backend{}
			command := []string{"/bin/sh", "-c", c.script}
			if c.script == "" {
				command = []string{"no-such-program"}
			}
			o := jobWith(t, b, c.environ, command...)
			if code := Run(t.Context(), o); code != c.exit {
				t.Errorf("exit code %d, want %d", code, c.exit)
			}
			if missing := b.missing(c.said); len(missing) > 0 {
				t.Errorf("the backend did not hear %q in %q", missing, b.said)
			}
			assertOver(t, o)
			if c.child < 0 {
				return // nothing ran
			}
			r := resultIn(t, o)
			if (r.Error == nil) != (c.code == "") || r.Error != nil && r.Error.Code != c.code || r.ChildExitCode == nil || *r.ChildExitCode != c.child {
				t.Errorf("%+v, child %v", r.Error, r.ChildExitCode)
			}
		})
	}
}

// assertOver: nothing of the run is left but its workspace, which another may have.
func assertOver(t *testing.T, o Options) {
	t.Helper()
	b, err := newBase(&o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(b.ws.Private().MarkerFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the run marker is left: %v", err)
	}
	unlock, err := b.ws.Lock()
	if err != nil {
		t.Fatalf("the workspace is still locked: %v", err)
	}
	unlock()
}

func TestARequestToStopEndsATrainingWithItsCheckpoint(t *testing.T) {
	b := &backend{on: func(said string) {
		if said == "checkpoint_saved" {
			_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		}
	}}
	o := jobWith(t, b, nil, "/bin/sh", "-c", saves+"sleep 1000 & wait")
	if code := Run(t.Context(), o); code != contract.ExitStopped {
		t.Errorf("exit code %d, want %d", code, contract.ExitStopped)
	}
	if missing := b.missing([]string{"checkpoint_saved", "stopping", "done failed STOPPED"}); len(missing) > 0 {
		t.Errorf("the backend did not hear %q in %q", missing, b.said)
	}
	if r := resultIn(t, o); r.CheckpointPath == nil {
		t.Error("the checkpoint is not in the result")
	}
	assertOver(t, o)
}

// Wherever a stage breaks, the job ends as a bug of the agent's that the backend hears of.
func TestABugInAnyPartOfALifeIsReported(t *testing.T) {
	broken := stage.Step{Name: "a stage with a bug", Stage: does(func() error { panic("index out of range") })}
	for name, breaks := range map[string]func(l *life){
		"while opening":             func(l *life) { l.opening = append(l.opening, broken) },
		"while it is being watched": func(l *life) { l.watching = append(l.watching, broken) },
		"while preparing":           func(l *life) { l.inputs = append(l.inputs, broken) },
		"before the training":       func(l *life) { l.training = append([]stage.Step{broken}, l.training...) },
		"while the end is found":    func(l *life) { l.finish.look = func() scene { panic("index out of range") } },
	} {
		t.Run(name, func(t *testing.T) {
			b := &backend{}
			o := jobWith(t, b, nil, "/bin/sh", "-c", saves)
			l := newLife(&o)
			breaks(l)
			code := l.finish.run(l.live(t.Context()))
			l.runner.Stop(0)
			if missing := b.missing([]string{"done failed " + string(contract.CodeInternal)}); code != contract.CodeInternal.ExitCode() || len(missing) > 0 {
				t.Errorf("exit code %d, the backend heard %q", code, b.said)
			}
			assertOver(t, o)
		})
	}
}

// broken is a standard output before which the agent has a bug, in a goroutine that
// nobody waits for.
type broken struct{}

func (broken) Write([]byte) (int, error) { panic("index out of range") }

func TestABugThatNobodyWaitsForEndsTheTrainingAndIsReported(t *testing.T) {
	b := &backend{}
	o := jobWith(t, b, nil, "/bin/sh", "-c", saves+"sleep 1000 & wait")
	o.Stdout = broken{}
	if code := Run(t.Context(), o); code != contract.ExitFailed {
		t.Errorf("exit code %d, want %d", code, contract.ExitFailed)
	}
	if missing := b.missing([]string{"training_started", "stopping", "done failed INTERNAL"}); len(missing) > 0 {
		t.Errorf("the backend did not hear %q in %q", missing, b.said)
	}
	if r := resultIn(t, o); r.Error == nil || !strings.Contains(fmt.Sprint(r.Error.Evidence), "agent.broken.Write") || r.ChildExitCode == nil {
		t.Errorf("%+v", r)
	}
	assertOver(t, o)
}

// refusal is a log before which the agent has a bug, where the sender tells of a refusal.
type refusal struct{ slog.Handler }

func (refusal) Enabled(context.Context, slog.Level) bool { return true }

func (refusal) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "the backend refused a callback") {
		panic("index out of range")
	}
	return nil
}

func TestABugInTheSenderLosesNoDone(t *testing.T) {
	b := &backend{}
	var refused atomic.Bool
	o := jobWith(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused.CompareAndSwap(false, true) {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		b.ServeHTTP(w, r)
	}), nil, "/bin/sh", "-c", saves+"sleep 1000 & wait")
	o.Log = slog.New(refusal{slog.DiscardHandler})
	if code := Run(t.Context(), o); code != contract.ExitFailed {
		t.Errorf("exit code %d, want %d", code, contract.ExitFailed)
	}
	if missing := b.missing([]string{"done failed INTERNAL"}); len(missing) > 0 {
		t.Errorf("the backend did not hear %q in %q", missing, b.said)
	}
	assertOver(t, o)
}

// forgetful is a bucket in front of which the agent has a bug.
type forgetful struct{ storage.Store }

func (f forgetful) Put(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error) {
	if key == contract.ResultKey("job-1") {
		panic("index out of range")
	}
	return f.Store.Put(ctx, key, body, size, commit)
}

func TestABugInTellingTheEndTakesNoSuccessBack(t *testing.T) {
	b := &backend{}
	o := jobWith(t, b, nil, "/bin/sh", "-c", saves)
	l := newLife(&o)
	outcome := l.live(t.Context())
	opened := *l.finish.store // what watches the job still reads the other
	opened.Store = forgetful{opened.Store}
	l.finish.store = &opened
	code := l.finish.run(outcome)
	l.runner.Stop(0)
	if missing := b.missing([]string{"done succeeded"}); code != contract.ExitOK || len(missing) > 0 {
		t.Errorf("exit code %d, the backend heard %q", code, b.said)
	}
}

func TestPrepareLeavesTheWorkspaceForALaterRun(t *testing.T) {
	b := &backend{}
	o := jobWith(t, b, nil, "/bin/sh", "-c", saves)
	if code := Prepare(t.Context(), o); code != contract.ExitOK || len(b.said) > 0 {
		t.Errorf("exit code %d, the backend heard %q", code, b.said)
	}
	assertOver(t, o)
	if code := Run(t.Context(), o); code != contract.ExitOK {
		t.Errorf("exit code %d of the run", code)
	}
	wrong := o
	wrong.Problems = []config.Problem{{Variable: "EPOCHS", Expected: "a number"}}
	if code := Prepare(t.Context(), wrong); code != contract.ExitFailed {
		t.Errorf("exit code %d with a wrong configuration", code)
	}
}

func TestTheDoctorTriesWhatTheJobNeeds(t *testing.T) {
	o := jobWith(t, &backend{}, nil)
	o.Problems = append(o.Problems, config.Problem{Variable: "EPOCHS", Expected: "a number"})
	var names []string
	examine := settings.Doctor(o.Config, o.Problems, o.Environ, o.Log)
	examine.Now = o.Now
	for _, f := range doctor.Examine(t.Context(), examine) {
		names = append(names, f.Name)
	}
	for _, want := range []string{"environment", "workspace", "backend", "bucket"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %q", want, names)
		}
	}
}

// The token stands in the command and in what the script prints, in the spellings in
// which libraries print it.
func TestASecretLeavesTheMachineInNoSpelling(t *testing.T) {
	const token = "the/callback+token"
	quoted, _ := json.Marshal("\u0001" + token)
	spellings := []string{token, url.QueryEscape(token), base64.StdEncoding.EncodeToString([]byte("job-1:" + token))}
	script := saves + fmt.Sprintf("echo 'RuntimeError: 401 for https://user:pass@host/?t=%s %s Basic %s' >&2; exit 3", spellings[1], quoted, spellings[2])
	b := &backend{}
	o := jobWith(t, b, map[string]string{"CALLBACK_TOKEN": token}, "/bin/sh", "-c", script)
	o.Termination = filepath.Join(t.TempDir(), "termination")
	if err := os.WriteFile(o.Termination, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code := Run(t.Context(), o); code != contract.ExitFailed {
		t.Errorf("exit code %d", code)
	}
	left := map[string]string{"the backend": b.raw.String()}
	for _, root := range []string{o.Config.WorkspaceDir, o.Config.LocalBucketDir, o.Termination} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				text, failed := os.ReadFile(path)
				left[path], err = string(text), failed
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for where, text := range left {
		for _, secret := range append(spellings, "user:pass") {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in %s", secret, where)
			}
		}
	}
	if r := resultIn(t, o); r.Error == nil || !strings.Contains(fmt.Sprint(r.Error.Evidence), "RuntimeError: 401 for https://***") {
		t.Errorf("the diagnosis lost its evidence: %+v", r.Error)
	}
}
