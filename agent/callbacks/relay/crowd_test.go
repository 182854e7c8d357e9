package relay

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/siege"
)

func TestWhoHasNoTokenSilencesNoTraining(t *testing.T) {
	q, w := &queue{}, &warnings{}
	r := start(t, q, func(o *Options) { o.Logger = slog.New(w) })
	defer siege.Lay(t, strings.TrimPrefix(r.URL(), "http://"), "POST /api HTTP/1.1\r\nHost: x\r\nX", 1500)()
	// A connection for each message, as the SDK does. A queue behind the strangers' header
	// timeouts would be longer than this client waits.
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for range 8 {
		resp, err := client.Do(r.heartbeat(t))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("answered %d", resp.StatusCode)
		}
	}
	if got := len(q.messages()); got != 8 {
		t.Errorf("%d of 8 heartbeats were taken", got)
	}
	if said := w.about("crowd the relay"); said != 1 || !r.Crowded() {
		t.Errorf("the log says %d times that the relay is crowded", said)
	}
}

func (r *Relay) heartbeat(t *testing.T) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL()+contract.KindHeartbeat.Path("job-1"), strings.NewReader(`{"epoch":1}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.Token())
	return req
}

func TestAConnectionThatHasShownTheTokenStays(t *testing.T) {
	virtual(t, &queue{}, func(t *testing.T, r *Relay, p *pipeNet) {
		c := p.dial()
		kept := strings.Replace(r.post(0), "Connection: close\r\n", "", 1)
		ask := func() string {
			go func() { _, _ = io.WriteString(c, kept) }()
			b := make([]byte, 1<<10)
			n, _ := c.Read(b)
			return string(b[:n])
		}
		if said := ask(); !strings.Contains(said, "400 Bad Request") { // the body is empty, and the token right
			t.Fatalf("answered %q", said)
		}
		for range 3 * maxStrangers {
			defer p.dial().Close() //nolint:errcheck // a pipe
		}
		time.Sleep(4 * patience) // virtual
		if said := ask(); !strings.Contains(said, "400 Bad Request") {
			t.Errorf("answered %q", said)
		}
		_ = c.Close()
	})
}
