package httpx_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/httpx"
)

// A server that sends half an answer and then nothing does not hold a reader.
func TestAConnectionOnWhichNothingMovesIsBroken(t *testing.T) {
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		<-ended
	}))
	defer server.Close()
	defer close(ended)
	transport := httpx.NewTransport(nil, nil, httpx.Timeouts{Stall: 50 * time.Millisecond})
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if got, err := io.ReadAll(answer.Body); !errors.Is(err, os.ErrDeadlineExceeded) || string(got) != "half" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAServerThatNeverAnswersIsLeft(t *testing.T) {
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-ended }))
	defer server.Close()
	defer close(ended)
	transport := httpx.NewTransport(nil, nil, httpx.Timeouts{Header: 50 * time.Millisecond})
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get(server.URL)
	if err == nil {
		_ = answer.Body.Close()
		t.Error("it answered")
	}
}

func TestOnlyTheSameHostIsFollowedAndNothingIsToldOfTheFirstAddress(t *testing.T) {
	from := func(address string) *http.Request { return httptest.NewRequest(http.MethodGet, address, nil) }
	for _, c := range []struct {
		first, next string
		follows     bool
	}{
		{"https://a.test/x?signature=s", "https://a.test/y", true},
		{"https://a.test/x", "https://b.test/y", false},
		{"https://a.test/x", "https://a.test:444/y", false},
		{"https://a.test/x", "http://a.test/y", false},
		{"http://a.test/x", "https://a.test/y", true},
	} {
		next := from(c.next)
		next.Header.Set("Referer", c.first)
		err := httpx.SameHost(next, []*http.Request{from(c.first)})
		if (err == nil) != c.follows || c.follows && next.Header.Get("Referer") != "" {
			t.Errorf("%s to %s: %v, Referer %q", c.first, c.next, err, next.Header.Get("Referer"))
		}
	}
	many := make([]*http.Request, 20)
	for i := range many {
		many[i] = from("https://a.test/loop")
	}
	if err := httpx.SameHost(from("https://a.test/loop"), many); err == nil {
		t.Error("a loop is followed for ever")
	}
}

// What the client really does with the rule.
func TestARedirectElsewhereIsAnAnswer(t *testing.T) {
	var asked []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = append(asked, r.Referer()) }))
	defer other.Close()
	first := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer first.Close()
	client := &http.Client{CheckRedirect: httpx.SameHost}
	answer, err := client.Get(first.URL + "/weights.pt?X-Amz-Signature=secret")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	target, err := url.Parse(answer.Header.Get("Location"))
	if answer.StatusCode != http.StatusFound || err != nil || !strings.HasPrefix(other.URL, target.Scheme) || len(asked) > 0 {
		t.Errorf("%s, %v, the other host was asked: %q", answer.Status, err, asked)
	}
}
