package delivery

import (
	"net/http"

	"github.com/vision-platform/trainer-agent/agent/internal/httpx"
)

// stayOpen hides the transport's CloseIdleConnections from go-retryablehttp, which
// calls it when a wait is cut short: the connection is as good as it was.
type stayOpen struct{ http.RoundTripper }

func newTransport(b Backend) (*http.Transport, error) {
	roots, err := httpx.Roots(b.CAFile)
	if err != nil {
		return nil, err
	}
	t := httpx.NewTransport(b.Getenv, roots, httpx.Timeouts{Dial: TryTimeout})
	t.ForceAttemptHTTP2 = true
	t.MaxIdleConns = 2
	t.MaxResponseHeaderBytes = MaxReplyHeader
	// A connection that died without a word is noticed, not reused try after try.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: TryTimeout, PingTimeout: TryTimeout / 2}
	return t, nil
}
