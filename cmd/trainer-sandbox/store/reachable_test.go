package store

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// An address that is printed can be opened.
func TestReachableCanBeOpened(t *testing.T) {
	for _, bound := range []string{"0.0.0.0:0", "[::]:0", ":0", "127.0.0.1:0"} {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", bound)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Listener = listener
		server.Start()
		defer server.Close()
		addr := Reachable(listener.Addr().String())
		host, _, err := net.SplitHostPort(addr)
		if ip := net.ParseIP(host); err != nil || ip == nil || ip.IsUnspecified() {
			t.Errorf("%s: %s", bound, addr)
		}
		answer, err := http.Get("http://" + addr)
		if err != nil {
			t.Errorf("%s: %v", bound, err)
			continue
		}
		_ = answer.Body.Close()
	}
	if got := Reachable("store.example.com:9000"); got != "store.example.com:9000" {
		t.Error(got)
	}
}
