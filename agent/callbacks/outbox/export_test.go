package outbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// exported fills an outbox whose backend refuses validations and then goes
// away, and returns its export and what the backend has already.
func exported(t *testing.T) (lines string, before []call) {
	t.Helper()
	b := newBackend(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/validation") {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	o := open(t, t.TempDir(), options(b.URL))
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); _ = o.Run(ctx) }()
	appendAll(t, o, heartbeat(1), message(contract.KindValidation, map[string]any{"epoch": 1}))
	flush(t, o)
	cancel()
	<-stopped
	appendAll(t, o, heartbeat(2), event("last_words"))
	appendFinal(t, o, done("succeeded"))
	var out bytes.Buffer
	n, err := o.Export(&out)
	if err != nil || n != strings.Count(out.String(), "\n") {
		t.Fatalf("exporting wrote %d lines, %v", n, err)
	}
	return out.String(), b.got()
}

func TestTheExportHasWhatTheBackendDoesNotHaveAndNoSecret(t *testing.T) {
	lines, _ := exported(t)
	var kinds []string
	for line := range strings.Lines(lines) {
		var l Line
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		kinds = append(kinds, string(l.Kind))
		if l.Key == "" || l.Path != l.Kind.Path("job-1") || l.TraceID != "trace-1" || l.Time.IsZero() || len(l.Body) < 2 {
			t.Errorf("the line %q lacks something", line)
		}
		if (l.Rejected != nil) != (l.Kind == contract.KindValidation) {
			t.Errorf("the line %q says refused: %v", line, l.Rejected)
		}
	}
	if want := []string{"validation", "heartbeat", "event", "done"}; !slices.Equal(kinds, want) {
		t.Errorf("exported %v, want %v", kinds, want)
	}
	if strings.Contains(lines, "secret-token") {
		t.Error("the export holds the token")
	}
}

func TestTheLargestBodyIsExportedAndReplayed(t *testing.T) {
	refuses := newBackend(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	o := open(t, t.TempDir(), options(refuses.URL))
	run(t, o)
	body := `{"event_type":"log","message":"` + strings.Repeat("<", MaxMessageBytes-100) + `"}`
	appendAll(t, o, contract.Message{Kind: contract.KindEvent, Body: []byte(body)})
	flush(t, o)
	var out bytes.Buffer
	if _, err := o.Export(&out); err != nil {
		t.Fatal(err)
	}
	b := newBackend(t, nil)
	done, err := Replay(t.Context(), &out, options(b.URL))
	if err != nil || done.Delivered == 0 || b.got()[0].body != body {
		t.Errorf("replayed %+v, %v", done, err)
	}
}

func TestReplayIsSafeToRunTwice(t *testing.T) {
	lines, _ := exported(t)
	b := newBackend(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 2 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	for range 2 {
		done, err := Replay(t.Context(), strings.NewReader(lines), options(b.URL))
		if err != nil || done.Delivered != 4 || len(done.Rejected) != 0 {
			t.Fatalf("replayed %+v, %v", done, err)
		}
	}
	got := b.got()
	if len(got) != 9 {
		t.Fatalf("the backend got %d requests, want 4, 4 and one again", len(got))
	}
	for i, r := range got[5:] {
		if first := []int{0, 1, 2, 4}[i]; r.key != got[first].key || r.body != got[first].body || r.path != got[first].path {
			t.Errorf("the second run sent %+v, the first %+v", r, got[first])
		}
		if r.auth != "Bearer secret-token" || r.trace != "trace-1" {
			t.Errorf("replayed with %q %q", r.auth, r.trace)
		}
	}
	if !strings.HasSuffix(got[8].path, "/done") {
		t.Errorf("the last message is %s", got[8].path)
	}
}

func TestReplayCountsRefusalsAndStopsWhenItsTimeIsOver(t *testing.T) {
	lines, _ := exported(t)
	ctx, cancel := context.WithCancel(t.Context())
	b := newBackend(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		switch {
		case n == 0:
			w.WriteHeader(http.StatusConflict)
		case n > 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			cancel()
		}
	})
	done, err := Replay(ctx, strings.NewReader(lines), options(b.URL))
	if !errors.Is(err, context.Canceled) || done.Delivered != 1 || len(done.Rejected) != 1 {
		t.Errorf("replayed %+v, %v", done, err)
	}
}

func TestReplaySendsNothingThatIsNotAnOutboxsMessage(t *testing.T) {
	for name, line := range map[string]string{
		"no JSON":             `hello`,
		"another path":        `{"idempotency_key":"j:1","kind":"event","path":"/api/v1/users","body":{}}`,
		"another job's path":  `{"idempotency_key":"j:1","kind":"event","path":"/api/v1/jobs/k/event","body":{}}`,
		"an unknown kind":     `{"idempotency_key":"j:1","kind":"x","path":"","body":{}}`,
		"no key":              `{"kind":"event","path":"/api/v1/jobs/j/event","body":{}}`,
		"no body":             `{"idempotency_key":"j:1","kind":"event","path":"/api/v1/jobs/j/event"}`,
		"a header in the key": `{"idempotency_key":"j\r\nX: y:1","kind":"event","path":"/api/v1/jobs/j%0D%0AX:%20y/event","body":{}}`,
	} {
		b := newBackend(t, nil)
		if _, err := Replay(t.Context(), strings.NewReader(line+"\n"), options(b.URL)); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(b.got()); n != 0 {
			t.Errorf("%s: %d requests were sent", name, n)
		}
	}
}

func TestPendingTellsTheStateOfTheOutbox(t *testing.T) {
	b := newBackend(t, nil)
	opts := options(b.URL)
	opts.Now = func() time.Time { return heartbeat(1).Time.Add(time.Hour) }
	o := open(t, t.TempDir(), opts)
	if p := o.Pending(); p.Depth != 0 || p.OldestAge != 0 {
		t.Errorf("empty: %+v", p)
	}
	appendAll(t, o, heartbeat(1), heartbeat(2))
	appendFinal(t, o, done("failed"))
	if p := o.Pending(); p.Depth != 3 || p.OldestAge != time.Hour || p.Bytes != int64(len(heartbeat(1).Body)+len(heartbeat(2).Body)) || p.Accepted != 3 {
		t.Errorf("filled: %+v", p)
	}
	run(t, o)
	flush(t, o)
	if p := o.Pending(); p.Depth != 0 || p.Bytes != 0 || p.Settled != 3 || p.OldestAge != 0 {
		t.Errorf("flushed: %+v", p)
	}
}

func FuzzReplayLine(f *testing.F) {
	f.Add([]byte(`{"idempotency_key":"j:1","kind":"event","path":"/api/v1/jobs/j/event","body":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, p, err := readLine(b)
		if err != nil {
			return
		}
		if !strings.HasPrefix(p.Path, "/api/v1/") || strings.ContainsAny(p.Key+p.Trace, "\r\n") || !json.Valid(p.Body) {
			t.Errorf("%q became %+v", b, p)
		}
	})
}
