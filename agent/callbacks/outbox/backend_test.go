package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// A backend records what it is sent, in the order of arrival.
type backend struct {
	*httptest.Server
	mu       sync.Mutex
	requests []call
	answer   func(n int, w http.ResponseWriter, r *http.Request) // nil answers 200
}

type call struct {
	path, key, auth, trace string
	body                   string
}

func newBackend(t testing.TB, answer func(n int, w http.ResponseWriter, r *http.Request)) *backend {
	b := &backend{answer: answer}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	b.mu.Lock()
	n := len(b.requests)
	b.requests = append(b.requests, call{
		path: r.URL.Path, key: r.Header.Get(contract.HeaderIdempotencyKey), auth: r.Header.Get("Authorization"),
		trace: r.Header.Get(contract.HeaderTraceID), body: string(body),
	})
	b.mu.Unlock()
	if b.answer != nil {
		b.answer(n, w, r)
		return
	}
	fmt.Fprint(w, `{"status":"ok"}`)
}

func (b *backend) got() []call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]call(nil), b.requests...)
}

func options(url string) Options {
	return Options{
		JobID: "job-1", TraceID: "trace-1",
		Backend: Backend{URL: url, Token: Token{Read: func() (string, error) { return "secret-token", nil }}},
		Rand:    func() float64 { return 0.001 }, // waits of milliseconds
	}
}

func open(t testing.TB, dir string, opts Options) *Outbox {
	t.Helper()
	o, err := Open(dir, opts)
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return o
}

// run starts the sender; it is stopped before the outbox is closed.
func run(t testing.TB, o *Outbox) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = o.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
}

func heartbeat(epoch int) contract.Message {
	return message(contract.KindHeartbeat, map[string]any{"epoch": epoch, "metrics": map[string]any{"loss": 1.0 / float64(epoch+1)}})
}

func event(name string) contract.Message {
	return message(contract.KindEvent, map[string]any{"event_type": name, "message": "", "data": map[string]any{}})
}

func message(kind contract.Kind, payload any) contract.Message {
	b, err := json.Marshal(payload)
	if err != nil {
		panic(err)
	}
	return contract.Message{Kind: kind, Body: b, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func appendAll(t testing.TB, o *Outbox, msgs ...contract.Message) {
	t.Helper()
	for _, m := range msgs {
		if err := o.Append(m); err != nil {
			t.Fatalf("appending: %v", err)
		}
	}
}

func flush(t testing.TB, o *Outbox) {
	t.Helper()
	if err := o.Flush(t.Context()); err != nil {
		t.Fatalf("flushing: %v", err)
	}
}
