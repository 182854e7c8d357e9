package outbox

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestARedirectIsNotFollowedWithTheToken(t *testing.T) {
	elsewhere := newBackend(t, nil)
	b := newBackend(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 0 {
			w.Header().Set("Location", elsewhere.URL+"/steal")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	})
	o := open(t, t.TempDir(), options(b.URL))
	run(t, o)
	appendAll(t, o, heartbeat(1))
	flush(t, o)
	if n := len(elsewhere.got()); n != 0 {
		t.Errorf("the redirect was followed %d times", n)
	}
	if n := len(b.got()); n != 2 {
		t.Errorf("the backend got %d requests, want 2", n)
	}
}

func TestTheProxyOfTheGivenEnvironmentIsUsed(t *testing.T) {
	for _, c := range []struct {
		env     map[string]string
		proxied bool
	}{
		{map[string]string{"HTTP_PROXY": "PROXY"}, true},
		{map[string]string{"http_proxy": "PROXY"}, true},
		{map[string]string{"HTTP_PROXY": "PROXY", "NO_PROXY": ".test"}, false},
		{map[string]string{"HTTPS_PROXY": "PROXY"}, false},
		{nil, false},
	} {
		proxy := newBackend(t, nil)
		opts := options("http://backend.test")
		opts.Backend.Getenv = func(name string) string { return strings.ReplaceAll(c.env[name], "PROXY", proxy.URL) }
		failed := make(chan struct{}, 1)
		opts.Logger = loggerTo(failed)
		o := open(t, t.TempDir(), opts)
		run(t, o)
		appendAll(t, o, heartbeat(1))
		if c.proxied {
			flush(t, o)
		} else {
			<-failed // backend.test does not exist
		}
		if got := len(proxy.got()) > 0; got != c.proxied {
			t.Errorf("%v: went through the proxy: %v, want %v", c.env, got, c.proxied)
		}
	}
}

func TestAProxyOfAnEncryptedBackendSeesNoToken(t *testing.T) {
	b := &backend{}
	srv := httptest.NewTLSServer(b)
	defer srv.Close()
	var asked, header atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Method + " " + r.Host)
		header.Store(fmt.Sprint(r.Header))
		tunnel(w, srv.Listener.Addr().String())
	}))
	defer proxy.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}
	if err := os.WriteFile(ca, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := options("https://example.com") // which the server's certificate is for
	opts.Backend.CAFile, opts.Backend.Getenv = ca, func(name string) string { return map[string]string{"https_proxy": proxy.URL}[name] }
	o := open(t, t.TempDir(), opts)
	run(t, o)
	appendAll(t, o, heartbeat(1))
	flush(t, o)
	o.sender.client.Close()
	if asked.Load() != "CONNECT example.com:443" || strings.Contains(header.Load().(string), "secret-token") {
		t.Errorf("the proxy was asked for %v with %v", asked.Load(), header.Load())
	}
	if got := b.got(); len(got) != 1 || got[0].auth != "Bearer secret-token" {
		t.Errorf("the backend got %+v", got)
	}
}

// tunnel joins a hijacked connection to an address until either side closes.
func tunnel(w http.ResponseWriter, to string) {
	far, err := net.Dial("tcp", to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	near, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
	var wg sync.WaitGroup
	for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
		wg.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = errors.Join(near.Close(), far.Close())
		})
	}
	wg.Wait()
}

func TestACustomCAIsTrusted(t *testing.T) {
	var protocol atomic.Value
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { protocol.Store(r.Proto) }))
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	srv.StartTLS()
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ca      string
		trusted bool
	}{{file, true}, {"", false}} {
		opts := options(srv.URL)
		opts.Backend.CAFile = c.ca
		failed := make(chan struct{}, 1)
		opts.Logger = loggerTo(failed)
		o := open(t, t.TempDir(), opts)
		run(t, o)
		appendAll(t, o, heartbeat(1))
		if c.trusted {
			flush(t, o)
		} else {
			<-failed
		}
		if got := o.Pending().Depth == 0; got != c.trusted {
			t.Errorf("with CA file %q delivered: %v, want %v", c.ca, got, c.trusted)
		}
	}
	if got := protocol.Load(); got != "HTTP/2.0" {
		t.Errorf("spoke %v, want HTTP/2.0", got)
	}
}

func TestOneConnectionServesManyMessages(t *testing.T) {
	var mu sync.Mutex
	opened := 0
	tries := 0
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if tries++; tries%5 == 2 { // one request at a time
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, `{"status":"ok","is_best":true}`)
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			mu.Lock()
			opened++
			mu.Unlock()
		}
	}
	srv.Start()
	defer srv.Close()
	o := open(t, t.TempDir(), options(srv.URL))
	run(t, o)
	for i := range 50 {
		appendAll(t, o, heartbeat(i))
	}
	flush(t, o)
	o.sender.client.Close() // the server may close now
	mu.Lock()
	defer mu.Unlock()
	if opened != 1 {
		t.Errorf("%d connections for 50 messages, want 1", opened)
	}
}

// loggerTo sends a token for every record of level warning and above.
func loggerTo(ch chan struct{}) *slog.Logger { return slog.New(signalHandler{ch}) }

type signalHandler struct{ ch chan struct{} }

func (h signalHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (h signalHandler) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h signalHandler) WithGroup(string) slog.Handler                { return h }
func (h signalHandler) Handle(context.Context, slog.Record) error {
	select {
	case h.ch <- struct{}{}:
	default:
	}
	return nil
}
