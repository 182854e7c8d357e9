package outbox

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestAMessageWithoutAnOutboxIsTriedUntilItIsTaken(t *testing.T) {
	for name, c := range map[string]struct {
		answers []int
		taken   bool
	}{
		"at once":          {[]int{200}, true},
		"after an outage":  {[]int{503, 200}, true},
		"the token is bad": {[]int{422}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != contract.KindDone.Path("job-1") || r.Header.Get("Authorization") != "Bearer the-token" || r.Header.Get(contract.HeaderIdempotencyKey) == "" {
					t.Errorf("%s with %v", r.URL.Path, r.Header)
				}
				w.WriteHeader(c.answers[min(int(calls.Add(1)), len(c.answers))-1])
			}))
			defer server.Close()
			m, err := contract.NewMessage(contract.KindDone, contract.Done{Status: contract.StatusFailed}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			left, err := Direct(t.Context(), m, Options{JobID: "job-1", Backend: Backend{URL: server.URL, Token: Token{Read: func() (string, error) { return "the-token", nil }}}})
			if (err == nil) != c.taken || (left == nil) != c.taken || int(calls.Load()) != len(c.answers) {
				t.Errorf("%v after %d calls", err, calls.Load())
			}
		})
	}
}

func TestAMessageWithoutAnOutboxEndsWithItsTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	m := contract.Message{Kind: contract.KindDone, Body: []byte(`{}`)}
	_, err := Direct(ctx, m, Options{JobID: "job-1", Backend: Backend{URL: "http://127.0.0.1:9", Token: Token{Read: func() (string, error) { return "x", nil }}}})
	if err == nil {
		t.Error("nobody listens there")
	}
}
