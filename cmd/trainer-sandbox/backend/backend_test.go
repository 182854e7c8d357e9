package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/contract"
)

const token = "let-me-in"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a Backend behind a real server, with a client of its own.
type fixture struct {
	*Backend
	t      *testing.T
	url    string
	client *http.Client
}

func start(t *testing.T, options ...func(*Options)) fixture {
	t.Helper()
	o := Options{Token: token}
	for _, set := range options {
		set(&o)
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	// Go's client repeats a request with an Idempotency-Key by itself when a
	// connection that it kept breaks; without kept ones every try is seen.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return fixture{b, t, server.URL, client}
}

func at(seconds int) contract.Timestamp {
	return contract.At(time.Date(2026, 1, 10, 12, 0, seconds, 0, time.UTC))
}

// valid are minimal good bodies of every kind.
func valid(k contract.Kind) any {
	message := "out of luck"
	switch k {
	case contract.KindHeartbeat:
		return contract.Heartbeat{Epoch: 1, Progress: 50, Metrics: contract.Metrics{"loss": 0.5}, Timestamp: at(0)}
	case contract.KindEvent:
		return contract.Event{EventType: contract.EventTrainingStarted, Message: "go", Data: json.RawMessage(`{}`), Timestamp: at(0)}
	case contract.KindValidation:
		return validation(1, 0.5)
	case contract.KindInferenceProgress:
		return contract.InferenceProgress{ProcessedImages: 3, TotalImages: 4, ProgressPercent: 75, Timestamp: at(0)}
	case contract.KindTestRunDone:
		return contract.TestRunDone{Status: contract.StatusSucceeded, Timestamp: at(0)}
	case contract.KindInferenceDone:
		return contract.InferenceDone{Status: contract.StatusFailed, ErrorMessage: &message, Timestamp: at(0)}
	case contract.KindExportProgress:
		return contract.ExportProgress{ProgressPercent: 10, Stage: contract.StageConverting, Timestamp: at(0)}
	case contract.KindExportDone:
		return contract.ExportDone{Status: contract.StatusSucceeded, Timestamp: at(0)}
	}
	return contract.Done{Status: contract.StatusSucceeded, FinalMetrics: contract.Metrics{}, Timestamp: at(0)}
}

func validation(epoch int, value float64) contract.Validation {
	return contract.Validation{
		Epoch: epoch, TaskType: contract.TaskObjectDetection, PrimaryMetricName: "mAP50-95", PrimaryMetricValue: contract.Number(value),
		Metrics: contract.Metrics{"mAP50-95": contract.Number(value)}, NumImagesValidated: 8, Timestamp: at(epoch),
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func request(ctx context.Context, url string, k contract.Kind, job, key string, body []byte) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+k.Path(job), bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(contract.HeaderAuthorization, "Bearer "+token)
	r.Header.Set(contract.HeaderTraceID, "trace-1")
	r.Header.Set(contract.HeaderIdempotencyKey, key)
	return r
}

// post sends a callback and returns status and body; status 0 is a broken connection.
func (f fixture) post(k contract.Kind, job string, n int, payload any) (int, string) {
	f.t.Helper()
	return f.do(request(f.t.Context(), f.url, k, job, fmt.Sprintf("%s:%d", job, n), encode(f.t, payload)))
}

func (f fixture) do(r *http.Request) (int, string) {
	f.t.Helper()
	resp, err := f.client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

func (f fixture) control(method, path, body string) (int, string) {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	return f.do(r)
}

func TestEveryCallbackIsAnsweredAndRecordedInOrder(t *testing.T) {
	f := start(t)
	for i, k := range contract.Kinds {
		if status, body := f.post(k, "job-1", i, valid(k)); status != http.StatusOK {
			t.Errorf("%s: got %d %s", k, status, body)
		}
	}
	status, body := f.control(http.MethodGet, "/_sandbox/jobs/job-1", "")
	var shown struct {
		Job   Summary
		Calls []Call
	}
	if err := json.Unmarshal([]byte(body), &shown); status != http.StatusOK || err != nil {
		t.Fatalf("got %d, %v", status, err)
	}
	for i, k := range contract.Kinds {
		c := shown.Calls[i]
		if c.Kind != k || c.Seq != int64(i+1) || !c.Accepted || c.Header.Get(contract.HeaderTraceID) != "trace-1" {
			t.Errorf("call %d: got %+v, want an accepted %s", i, c, k)
		}
		if string(c.Body) != string(encode(t, valid(k))) {
			t.Errorf("call %d: the body came back as %s", i, c.Body)
		}
	}
	if strings.Contains(body, token) {
		t.Error("the token was recorded")
	}
}

func TestUnknownJobIs404(t *testing.T) {
	f := start(t)
	if status, _ := f.control(http.MethodGet, "/_sandbox/jobs/nobody", ""); status != http.StatusNotFound {
		t.Errorf("got %d, want 404", status)
	}
}

func TestWrongTokenIsRefusedAndRecorded(t *testing.T) {
	f := start(t)
	for _, auth := range []string{"", "Bearer wrong", "Basic " + token, token} {
		r := request(t.Context(), f.url, contract.KindHeartbeat, "job-1", "job-1:1", encode(t, valid(contract.KindHeartbeat)))
		r.Header.Set(contract.HeaderAuthorization, auth)
		if status, _ := f.do(r); status != http.StatusUnauthorized {
			t.Errorf("%q: got %d, want 401", auth, status)
		}
	}
	if calls := f.Calls("job-1"); len(calls) != 4 || len(Accepted(calls)) != 0 {
		t.Errorf("got %d calls, %d accepted, want 4 and 0", len(calls), len(Accepted(calls)))
	}
}

func TestBadHeadersAreNamed(t *testing.T) {
	f := start(t)
	for header, value := range map[string]string{
		"Content-Type": "text/plain", contract.HeaderTraceID: "", contract.HeaderIdempotencyKey: "other-job:1",
	} {
		r := request(t.Context(), f.url, contract.KindHeartbeat, "job-1", "job-1:1", encode(t, valid(contract.KindHeartbeat)))
		r.Header.Set(header, value)
		if status, body := f.do(r); status != http.StatusUnprocessableEntity || !strings.Contains(body, header) {
			t.Errorf("%s %q: got %d %s", header, value, status, body)
		}
	}
}

func TestOversizedBodyIsRefused(t *testing.T) {
	f := start(t)
	big := bytes.Repeat([]byte(" "), maxBodyBytes+1)
	if status, body := f.do(request(t.Context(), f.url, contract.KindEvent, "job-1", "job-1:1", big)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d %s, want 413", status, body)
	}
}

func TestBadJobIDIsRefused(t *testing.T) {
	f := start(t)
	r := request(t.Context(), f.url, contract.KindEvent, "a b", "a b:1", nil)
	if status, body := f.do(r); status != http.StatusUnprocessableEntity || !strings.Contains(body, "job id") {
		t.Errorf("got %d %s", status, body)
	}
}

func TestRetryIsADuplicateWithTheSameAnswer(t *testing.T) {
	f := start(t)
	_, first := f.post(contract.KindValidation, "job-1", 7, validation(1, 0.5))
	status, again := f.post(contract.KindValidation, "job-1", 7, validation(1, 0.5))
	if status != http.StatusOK || again != first {
		t.Errorf("got %d %s, want the first answer %s", status, again, first)
	}
	calls := f.Calls("job-1")
	if last := calls[1]; !last.Duplicate || last.Attempt != 2 || last.Accepted || len(Accepted(calls)) != 1 {
		t.Errorf("got %+v", last)
	}
	if status, body := f.post(contract.KindValidation, "job-1", 7, validation(2, 0.6)); status != http.StatusUnprocessableEntity || !strings.Contains(body, "another body") {
		t.Errorf("a reused key: got %d %s", status, body)
	}
}

func TestBestIsJudgedByTheBackendsOwnRecord(t *testing.T) {
	f := start(t)
	isBest := func(job string, n int, v contract.Validation) bool {
		_, body := f.post(contract.KindValidation, job, n, v)
		var reply contract.ValidationReply
		if err := json.Unmarshal([]byte(body), &reply); err != nil || reply.Status != "ok" {
			t.Fatalf("got %s", body)
		}
		return reply.IsBest
	}
	for i, step := range []struct {
		value float64
		want  bool
	}{{0.1, true}, {0.3, true}, {0.3, false}, {0.2, false}, {0.4, true}} {
		if got := isBest("up", i, validation(i, step.value)); got != step.want {
			t.Errorf("validation %d of %v: is_best %v", i, step.value, got)
		}
	}
	for i, step := range []struct {
		value float64
		want  bool
	}{{2, true}, {1, true}, {3, false}} {
		v := validation(i, step.value)
		v.PrimaryMetricName = "val_loss"
		if got := isBest("down", i, v); got != step.want {
			t.Errorf("loss %d of %v: is_best %v", i, step.value, got)
		}
	}
	if s, _ := f.Job("up"); s.Best == nil || *s.Best != 0.4 {
		t.Errorf("got best %v, want 0.4", s.Best)
	}
}

func TestSummaryFollowsTheJob(t *testing.T) {
	f := start(t)
	f.post(contract.KindHeartbeat, "job-1", 1, valid(contract.KindHeartbeat))
	if s, _ := f.Job("job-1"); s.State != StateRunning || s.Epoch != 1 || s.Progress != 50 || s.Type != contract.JobTraining {
		t.Errorf("got %+v", s)
	}
	message := "no luck"
	f.post(contract.KindDone, "job-1", 2, contract.Done{Status: contract.StatusFailed, FinalMetrics: contract.Metrics{}, ErrorMessage: &message, Timestamp: at(1)})
	if s, _ := f.Job("job-1"); s.State != StateFailed || *s.ErrorMessage != message {
		t.Errorf("got %+v", s)
	}
	f.post(contract.KindHeartbeat, "job-1", 3, valid(contract.KindHeartbeat)) // run again after a failure
	s, _ := f.Job("job-1")
	if calls := f.Calls("job-1"); s.State != StateRunning || !calls[2].AfterFinal {
		t.Errorf("got %+v", s)
	}
	f.post(contract.KindExportProgress, "job-2", 1, valid(contract.KindExportProgress))
	if s, _ := f.Job("job-2"); s.Type != contract.JobExport {
		t.Errorf("got type %s, want export", s.Type)
	}
	if jobs := f.Jobs(); len(jobs) != 2 {
		t.Errorf("got %d jobs, want 2", len(jobs))
	}
}

func TestWaitSeesEveryCall(t *testing.T) {
	f := start(t)
	got := make(chan error, 1)
	go func() {
		final, err := f.WaitFinal(t.Context(), "job-1")
		if err == nil && final.Kind != contract.KindDone {
			err = fmt.Errorf("got %s", final.Kind)
		}
		got <- err
	}()
	f.post(contract.KindHeartbeat, "job-1", 1, valid(contract.KindHeartbeat))
	f.post(contract.KindDone, "job-1", 2, valid(contract.KindDone))
	if err := <-got; err != nil {
		t.Error(err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	err := f.Wait(stopped, "job-1", func([]Call) bool { return false })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestEventsAreFoundByType(t *testing.T) {
	f := start(t)
	f.post(contract.KindEvent, "job-1", 1, valid(contract.KindEvent))
	if n := len(Events(f.Calls("job-1"), contract.EventTrainingStarted)); n != 1 {
		t.Errorf("got %d, want 1", n)
	}
	if n := len(Events(f.Calls("job-1"), contract.EventStopping)); n != 0 {
		t.Errorf("got %d, want none", n)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	b, err := New(Options{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxCallsPerJob + 10 {
		b.remember(&Call{Seq: int64(i + 1), Job: "long", Key: fmt.Sprint(i), Kind: contract.KindHeartbeat})
	}
	s, _ := b.Job("long")
	calls := b.Calls("long")
	if len(calls) != maxCallsPerJob || s.Dropped != 10 || calls[0].Seq != 11 || len(b.jobs["long"].keys) != maxCallsPerJob {
		t.Errorf("kept %d calls from %d and %d keys, dropped %d", len(calls), calls[0].Seq, len(b.jobs["long"].keys), s.Dropped)
	}
	big := bytes.Repeat([]byte("x"), maxBodyBytes)
	for i := range 12 {
		b.remember(&Call{Seq: int64(i + 1), Job: "fat", Key: fmt.Sprint(i), Body: big})
	}
	if n := len(b.Calls("fat")); n != maxBytesPerJob/maxBodyBytes-1 {
		t.Errorf("kept %d large calls", n)
	}
	for i := range maxJobs {
		b.remember(&Call{Seq: int64(i + 1), Job: fmt.Sprint(i), Time: at(30).Time})
	}
	if n := len(b.Jobs()); n != maxJobs {
		t.Errorf("kept %d jobs, want %d", n, maxJobs)
	}
}

func TestJournalBringsEverythingBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.jsonl")
	withJournal := func(o *Options) { o.Journal = path }
	before := start(t, withJournal)
	html := valid(contract.KindEvent).(contract.Event)
	html.Message = "a<b & c>d"
	before.post(contract.KindEvent, "job-1", 1, html)
	before.post(contract.KindValidation, "job-1", 2, validation(1, 0.5))
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	appendText(t, path, `{"seq":3,"torn`)

	after := start(t, withJournal)
	if got, want := fmt.Sprint(after.Calls("job-1")), fmt.Sprint(before.Calls("job-1")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if status, _ := after.post(contract.KindEvent, "job-1", 1, html); status != http.StatusOK || !after.Calls("job-1")[2].Duplicate {
		t.Error("the key was forgotten")
	}
	if err := after.Close(); err != nil {
		t.Fatal(err)
	}
	third := start(t, withJournal)
	if calls := third.Calls("job-1"); len(calls) != 3 || calls[2].Seq != 3 {
		t.Errorf("after a torn line: got %d calls", len(calls))
	}
}

func TestBrokenJournalIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.jsonl")
	appendText(t, path, "no JSON\n")
	_, err := New(Options{Token: token, Journal: path})
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("got %v", err)
	}
}

func TestTokenIsRequired(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("started without a token")
	}
}
func appendText(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}
