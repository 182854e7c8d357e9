package relay

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// A siege is a process of the machine that keeps connections to a port and has no token:
// it says half a header on each, and connects again where one is closed.
type siege struct {
	stop context.CancelFunc
	held sync.WaitGroup
}

func besiege(t *testing.T, address string, sockets int) *siege {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &siege{stop: cancel}
	var first sync.WaitGroup
	first.Add(sockets)
	for range sockets {
		s.held.Go(func() {
			for once := sync.OnceFunc(first.Done); ctx.Err() == nil; once() {
				hold(ctx, address)
			}
		})
	}
	first.Wait()
	return s
}

// hold returns when the other end closes a connection that says nothing whole.
func hold(ctx context.Context, address string) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer conn.Close() //nolint:errcheck // a stranger's
	_, _ = io.WriteString(conn, "POST /api HTTP/1.1\r\nHost: x\r\nX")
	_, _ = io.Copy(io.Discard, conn)
}

func (s *siege) lift() {
	s.stop()
	s.held.Wait()
}

// sockets is how many a test may have open at both ends.
func sockets(t *testing.T, most int) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return min(most, int(min(limit.Cur, 1<<20))-2*maxStrangers-maxConnections)
}

func TestWhoHasNoTokenSilencesNoTraining(t *testing.T) {
	n := sockets(t, 1500)
	if n < 2*maxStrangers {
		t.Skipf("only %d sockets may be open", n)
	}
	q, w := &queue{}, &warnings{}
	r := start(t, q, func(o *Options) { o.Logger = slog.New(w) })
	s := besiege(t, strings.TrimPrefix(r.URL(), "http://"), n)
	defer s.lift()
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
