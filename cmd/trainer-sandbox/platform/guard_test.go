package platform

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPagesOfStrangersCannotUseTheSandbox(t *testing.T) {
	handler := guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), []string{"host.docker.internal"})
	for _, c := range []struct {
		what, method, host string
		header             [2]string
		want               int
	}{
		{"the page", "GET", "localhost:8000", [2]string{}, http.StatusNoContent},
		{"the page by address", "GET", "127.0.0.1:8000", [2]string{}, http.StatusNoContent},
		{"the page by IPv6", "GET", "[::1]:8000", [2]string{}, http.StatusNoContent},
		{"a container", "POST", "host.docker.internal:8000", [2]string{}, http.StatusNoContent},
		{"an agent", "POST", "127.0.0.1:8000", [2]string{}, http.StatusNoContent},
		{"an agent in a cluster", "POST", "sandbox.platform.svc:8000", [2]string{}, http.StatusNoContent},
		{"a name that was made to lead here", "GET", "evil.example:8000", [2]string{}, http.StatusMisdirectedRequest},
		{"a form of another page", "POST", "localhost:8000", [2]string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"a script of another page", "DELETE", "localhost:8000", [2]string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{"the page's own script", "POST", "localhost:8000", [2]string{"Sec-Fetch-Site", "same-origin"}, http.StatusNoContent},
	} {
		path := "/_sandbox/jobs"
		if strings.HasPrefix(c.what, "an agent") {
			path = "/api/v1/jobs/j/event"
		}
		r := httptest.NewRequest(c.method, path, strings.NewReader("{}"))
		r.Host = c.host
		if c.header[0] != "" {
			r.Header.Set(c.header[0], c.header[1])
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", c.what, w.Code, c.want)
		}
	}
}
