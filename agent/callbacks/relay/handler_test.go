package relay

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/time/rate"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestEveryCallbackOfTheContractIsServed(t *testing.T) {
	q := &queue{answer: func(contract.Message) ([]byte, bool) { return []byte(`{"status":"ok","is_best":true}`), true }}
	r := start(t, q, nil)
	for kind, body := range map[contract.Kind]string{
		contract.KindHeartbeat: `{"epoch":1}`, contract.KindEvent: `{"event_type":"x"}`, contract.KindValidation: `{"epoch":1}`,
		contract.KindDone: `{"status":"succeeded"}`, contract.KindInferenceProgress: `{"processed_images":1}`,
		contract.KindTestRunDone: `{"status":"succeeded"}`, contract.KindInferenceDone: `{"status":"succeeded"}`,
		contract.KindExportProgress: `{"progress_percent":1}`, contract.KindExportDone: `{"status":"succeeded"}`,
	} {
		if a := r.send(t, kind, body); a.status != 200 || a.body["status"] != "ok" {
			t.Errorf("%s: answered %d %v", kind, a.status, a.body)
		}
	}
	if n := len(q.messages()); n != 5 {
		t.Errorf("%d messages were passed on, want 5: the final ones are not", n)
	}
}

func TestTheChildsFinalMessageIsKeptAndShownAndNotForwarded(t *testing.T) {
	q := &queue{}
	var seen []contract.Message
	r := start(t, q, func(o *Options) { o.Observe = func(m contract.Message) { seen = append(seen, m) } })
	r.send(t, contract.KindDone, `{"status":"succeeded","final_metrics":{"best":1},"checkpoint_path":"runs/best.pt"}`)
	if len(q.messages()) != 0 || len(q.kept) != 1 || len(seen) != 1 {
		t.Fatalf("passed on %d, kept %d, shown %d", len(q.messages()), len(q.kept), len(seen))
	}
	var d contract.Done
	if err := json.Unmarshal(seen[0].Body, &d); err != nil || d.Status != contract.StatusSucceeded || d.FinalMetrics["best"] != 1 || *d.CheckpointPath != "runs/best.pt" {
		t.Errorf("shown %s (%v)", seen[0].Body, err)
	}
}

func TestHealthIsForEverybodyAndNothingElse(t *testing.T) {
	r := start(t, &queue{}, nil)
	get := func(path string) answer {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return do(t, req)
	}
	if a := get("/healthz"); a.status != 200 || a.body["job_id"] != "job-1" {
		t.Errorf("/healthz: %d %v", a.status, a.body)
	}
	if a := get("/"); a.status != 404 || !strings.Contains(a.body["detail"].(string), "/api/v1/jobs/job-1/heartbeat") {
		t.Errorf("/: %d %v", a.status, a.body)
	}
}

func TestWhatIsRefusedIsAnsweredWithTheReason(t *testing.T) {
	q := &queue{}
	r := start(t, q, func(o *Options) { o.Job.Kinds = []contract.Kind{contract.KindHeartbeat, contract.KindEvent} })
	beat := contract.KindHeartbeat.Path("job-1")
	for name, c := range map[string]struct {
		method, path, token, body string
		header                    [2]string
		status                    int
		detail                    string
	}{
		"no token":         {"POST", beat, "", `{"epoch":1}`, [2]string{}, 401, "CALLBACK_TOKEN"},
		"wrong token":      {"POST", beat, "guess", `{"epoch":1}`, [2]string{}, 401, "CALLBACK_TOKEN"},
		"another job":      {"POST", contract.KindHeartbeat.Path("job-2"), "*", `{"epoch":1}`, [2]string{}, 404, `"job-2"`},
		"no such path":     {"POST", "/api/v1/jobs/job-1/nothing", "*", `{"epoch":1}`, [2]string{}, 404, "no callback path"},
		"another job type": {"POST", contract.KindExportProgress.Path("job-1"), "*", `{}`, [2]string{}, 404, "export_progress"},
		"a GET":            {"GET", beat, "*", "", [2]string{}, 405, "POST"},
		"no JSON":          {"POST", beat, "*", `{"epoch":`, [2]string{}, 400, "at byte 9"},
		"no object":        {"POST", beat, "*", `[1]`, [2]string{}, 400, "object"},
		"nothing":          {"POST", beat, "*", ``, [2]string{}, 400, "object"},
		"a nesting bomb":   {"POST", beat, "*", `{"epoch":1,"x":` + strings.Repeat("[", 1<<20), [2]string{}, 400, "nested deeper"},
		"a wrong type":     {"POST", beat, "*", `{"epoch":"one"}`, [2]string{}, 422, "epoch: want a whole number"},
		"too large":        {"POST", beat, "*", `{"epoch":1,"x":"` + strings.Repeat("x", MaxBody) + `"}`, [2]string{}, 413, "8388608"},
		"gzip":             {"POST", beat, "*", `{"epoch":1}`, [2]string{"Content-Encoding", "gzip"}, 415, "Content-Encoding"},
		"health by POST":   {"POST", "/healthz", "*", "", [2]string{}, 405, "GET"},
		"a path with dots": {"POST", "/api/v1/jobs/job-1/%2e%2e/heartbeat", "*", `{"epoch":1}`, [2]string{}, 404, ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, r.URL()+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.token == "*" {
			c.token = r.Token()
		}
		if c.token != "" {
			req.Header.Set("Authorization", "Bearer "+c.token)
		}
		if c.header[0] != "" {
			req.Header.Set(c.header[0], c.header[1])
		}
		a := do(t, req)
		detail, _ := a.body["detail"].(string)
		if a.status != c.status || !strings.Contains(detail, c.detail) || a.body["status"] != "rejected" || len(detail) > 300 {
			t.Errorf("%s: answered %d %v, want %d with %q", name, a.status, a.body, c.status, c.detail)
		}
	}
	if n := len(q.messages()); n != 0 {
		t.Errorf("%d refused messages were passed on", n)
	}
}

func TestTheOutboxsRefusalsReachTheChild(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		retry  string
	}{
		{fmt.Errorf("%w: no room", errFull), 507, "30"},
		{fmt.Errorf("%w: over", errEnded), 409, ""},
		{errors.New("input/output error"), 500, ""},
	} {
		q := &queue{fail: c.err}
		seen := 0
		r := start(t, q, func(o *Options) { o.Observe = func(contract.Message) { seen++ } })
		for _, kind := range []contract.Kind{contract.KindEvent, contract.KindValidation, contract.KindDone} {
			a := r.send(t, kind, `{"event_type":"x","epoch":1,"status":"failed"}`)
			if a.status != c.status || a.header.Get("Retry-After") != c.retry {
				t.Errorf("%v: %s answered %d %v", c.err, kind, a.status, a.body)
			}
		}
		if seen != 0 {
			t.Errorf("%v: shown %d messages", c.err, seen)
		}
	}
}

func TestARetryOfTheChildIsAnsweredAndNotRepeated(t *testing.T) {
	q := &queue{}
	r := start(t, q, nil)
	r.rate = rate.NewLimiter(rate.Inf, 0)
	for i := range 2 * maxRecent {
		for range 2 {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL()+contract.KindHeartbeat.Path("job-1"), strings.NewReader(`{"epoch":1}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+r.Token())
			req.Header.Set(contract.HeaderIdempotencyKey, fmt.Sprint("k", i))
			if a := do(t, req); a.status != 200 {
				t.Fatalf("answered %d %v", a.status, a.body)
			}
		}
	}
	if n := len(q.messages()); n != 2*maxRecent {
		t.Errorf("%d messages were passed on, want %d", n, 2*maxRecent)
	}
	if n := len(r.repeated.answers); n != maxRecent {
		t.Errorf("%d keys are remembered, want %d", n, maxRecent)
	}
}

func TestProgressIsFilledInAndKeptWithinItsRange(t *testing.T) {
	q := &queue{}
	r := start(t, q, func(o *Options) { o.Job.Epochs = 8 })
	for body, want := range map[string]string{
		`{"epoch":2}`:                   `"progress":25`,
		`{"epoch":2,"progress":3.5}`:    `"progress":3.5`,
		`{"epoch":9}`:                   `"progress":100`,
		`{"epoch":2,"progress":100.01}`: `"progress":100`,
		`{"epoch":2,"progress":-1}`:     `"progress":0`,
		`{"epoch":2,"progress":NaN}`:    `"progress":null`,
	} {
		r.send(t, contract.KindHeartbeat, body)
		got := q.messages()
		if last := string(got[len(got)-1].Body); !strings.Contains(last, want+",") {
			t.Errorf("%s became %s, want %s", body, last, want)
		}
	}
}
