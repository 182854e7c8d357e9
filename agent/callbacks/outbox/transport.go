package outbox

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/httpx"
)

// stayOpen hides the transport's CloseIdleConnections from go-retryablehttp, which
// calls it when a wait is cut short: the connection is as good as it was.
type stayOpen struct{ http.RoundTripper }

func newTransport(o Options) (*http.Transport, error) {
	roots, err := httpx.Roots(o.CAFile)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: TryTimeout, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           2,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    TryTimeout,
		MaxResponseHeaderBytes: maxReplyHeader,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		// A connection that died without a word is noticed, not reused try after try.
		HTTP2: &http.HTTP2Config{SendPingTimeout: TryTimeout, PingTimeout: TryTimeout / 2},
	}
	if o.Getenv != nil {
		t.Proxy = httpx.Proxy(o.Getenv)
	}
	return t, nil
}
