package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/netutil"
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

func TestWhatIsRefusedIsToldWhy(t *testing.T) {
	q := &queue{}
	r := start(t, q, func(o *Options) { o.Kinds = []contract.Kind{contract.KindHeartbeat, contract.KindEvent} })
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

func TestABodyWithoutLengthIsBoundedToo(t *testing.T) {
	r := start(t, &queue{}, nil)
	for size, want := range map[int]int{MaxBody - 100: 200, MaxBody + 1: 413} {
		body := `{"epoch":1,"x":"` + strings.Repeat("x", size-18) + `"}`
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL()+contract.KindHeartbeat.Path("job-1"),
			io.MultiReader(strings.NewReader(body))) // of unknown length: sent in chunks
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+r.Token())
		if a := do(t, req); a.status != want {
			t.Errorf("%d bytes: answered %d %v, want %d", len(body), a.status, a.body, want)
		}
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
		if seen != 0 || r.Stats().Accepted != 0 {
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
	r := start(t, q, func(o *Options) { o.Epochs = 8 })
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

func TestTenThousandRequestsASecondAreAnsweredAndBounded(t *testing.T) {
	q := &queue{}
	r := start(t, q, nil) // whose clock stands still, so this is one second at most
	var wg sync.WaitGroup
	var mu sync.Mutex
	count := map[int]int{}
	for range 8 {
		wg.Go(func() {
			for range 1250 {
				a := r.send(t, contract.KindHeartbeat, `{"epoch":1}`)
				if a.status == 429 && a.header.Get("Retry-After") != "1" {
					t.Errorf("429 without Retry-After")
				}
				mu.Lock()
				count[a.status]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if count[200] != burst || count[429] != 10_000-burst {
		t.Errorf("answered %v, want %d with 200 and the rest with 429", count, burst)
	}
}

// A pipeNet is a listener in memory, so that time limits pass in virtual time.
type pipeNet struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipeNet) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipeNet) Close() error   { return nil }
func (p *pipeNet) Addr() net.Addr { return &net.IPAddr{} }

func (p *pipeNet) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// virtual runs a test in a bubble with a relay on a network in memory.
func virtual(t *testing.T, q *queue, do func(*testing.T, *Relay, *pipeNet)) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipeNet{conns: make(chan net.Conn, 4*maxConnections), done: make(chan struct{})}
		r := newRelay(Options{JobID: "job-1", Outbox: q, Logger: slog.New(slog.DiscardHandler)})
		r.token = "token"
		r.served.Go(func() { _ = r.server.Serve(netutil.LimitListener(p, maxConnections)) })
		do(t, r, p)
		close(p.done)
		_ = r.server.Close()
		r.served.Wait()
	})
}

// ends reads until the relay closes the connection and returns what it said.
func ends(t *testing.T, c net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("reading: %v", err)
	}
	return string(b)
}

func post(length int) string {
	return fmt.Sprintf("POST /api/v1/jobs/job-1/heartbeat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", length)
}

func TestASlowLorisIsCutOff(t *testing.T) {
	virtual(t, &queue{}, func(t *testing.T, _ *Relay, p *pipeNet) {
		began := time.Now()
		c := p.dial()
		_, _ = io.WriteString(c, "POST /api/v1/jobs/job-1/heartbeat HTTP/1.1\r\nX: ")
		ends(t, c)
		if took := time.Since(began); took != headerTimeout {
			t.Errorf("half a header was waited for %v, want %v", took, headerTimeout)
		}
		began = time.Now()
		c = p.dial()
		_, _ = io.WriteString(c, post(100)+"{")
		if said := ends(t, c); !strings.Contains(said, "408 Request Timeout") {
			t.Errorf("answered %q", said)
		}
		if took := time.Since(began); took != bodyTimeout {
			t.Errorf("half a body was waited for %v, want %v", took, bodyTimeout)
		}
	})
}

func TestIdleConnectionsDoNotShutOthersOutForLong(t *testing.T) {
	virtual(t, &queue{}, func(t *testing.T, _ *Relay, p *pipeNet) {
		var conns []net.Conn
		for range maxConnections + 10 {
			conns = append(conns, p.dial())
		}
		began := time.Now()
		c := p.dial()
		body := `{"epoch":1}`
		go func() { _, _ = io.WriteString(c, post(len(body))+body) }()
		if said := ends(t, c); !strings.Contains(said, "200 OK") {
			t.Errorf("answered %q", said)
		}
		if took := time.Since(began); took > 2*headerTimeout {
			t.Errorf("a heartbeat waited %v behind idle connections", took)
		}
		for _, c := range conns {
			_ = c.Close()
		}
	})
}

// A blocked queue holds every message until it is let go.
type blocked struct {
	queue
	entered chan struct{}
	let     chan struct{}
}

func (b *blocked) Append(m contract.Message) error {
	b.entered <- struct{}{}
	<-b.let
	return b.queue.Append(m)
}

func TestOnlySoManyBytesOfBodiesAreInWorkAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipeNet{conns: make(chan net.Conn, 16), done: make(chan struct{})}
		q := &blocked{entered: make(chan struct{}, 100), let: make(chan struct{})}
		r := newRelay(Options{JobID: "job-1", Outbox: q})
		r.token = "token"
		r.served.Go(func() { _ = r.server.Serve(p) })
		body := `{"epoch":1,"x":"` + strings.Repeat("x", MaxBody-18) + `"}`
		var wg sync.WaitGroup
		var mu sync.Mutex
		said := map[string]int{}
		for range 6 {
			wg.Go(func() {
				c := p.dial()
				go func() { _, _ = io.WriteString(c, post(len(body))+body) }()
				line, _, _ := strings.Cut(ends(t, c), "\r\n")
				mu.Lock()
				said[line]++
				mu.Unlock()
			})
		}
		synctest.Wait()
		if n := len(q.entered); n != maxBodies/MaxBody {
			t.Errorf("%d bodies of 8 MiB are in work, want %d", n, maxBodies/MaxBody)
		}
		time.Sleep(roomTimeout) // virtual
		synctest.Wait()
		close(q.let)
		wg.Wait()
		if said["HTTP/1.1 200 OK"] != 2 || said["HTTP/1.1 503 Service Unavailable"] != 4 {
			t.Errorf("answered %v", said)
		}
		close(p.done)
		_ = r.server.Close()
		r.served.Wait()
	})
}

func TestCloseLetsRequestsInWorkFinish(t *testing.T) {
	q := &blocked{entered: make(chan struct{}, 1), let: make(chan struct{})}
	r, err := New(Options{JobID: "job-1", Outbox: q})
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	go func() { answered <- r.send(t, contract.KindEvent, `{"event_type":"x"}`).status }()
	<-q.entered
	closed := make(chan error, 1)
	go func() { closed <- r.Close(context.Background()) }()
	close(q.let)
	if status := <-answered; status != 200 {
		t.Errorf("answered %d", status)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := <-closed; err != nil {
		t.Errorf("closing: %v", err)
	}
}
