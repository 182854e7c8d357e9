package outbox

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/vision-platform/trainer-agent/contract"
)

// stayOpen hides the transport's CloseIdleConnections from go-retryablehttp, which
// calls it when a wait is cut short: the connection is as good as it was.
type stayOpen struct{ http.RoundTripper }

func newTransport(o Options) (*http.Transport, error) {
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: TryTimeout, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           2,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    TryTimeout,
		MaxResponseHeaderBytes: maxReplyHeader,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		// A connection that died without a word is noticed, not reused try after try.
		HTTP2: &http.HTTP2Config{SendPingTimeout: TryTimeout, PingTimeout: TryTimeout / 2},
	}
	if o.Getenv != nil {
		proxy := proxyConfig(o.Getenv).ProxyFunc()
		t.Proxy = func(r *http.Request) (*url.URL, error) { return proxy(r.URL) }
	}
	if o.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, contract.Failf(contract.CodeConfigInvalid, "AGENT_CA_FILE cannot be read: %w.", err).
			WithHint("Mount the certificate file, or unset AGENT_CA_FILE.")
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, contract.Failf(contract.CodeConfigInvalid, "AGENT_CA_FILE %s holds no PEM certificate.", o.CAFile).
			WithHint("It must begin with -----BEGIN CERTIFICATE-----.")
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}

// proxyConfig reads the usual variables, in both spellings.
func proxyConfig(getenv func(string) string) *httpproxy.Config {
	either := func(name string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return getenv(strings.ToLower(name))
	}
	return &httpproxy.Config{
		HTTPProxy: either("HTTP_PROXY"), HTTPSProxy: either("HTTPS_PROXY"), NoProxy: either("NO_PROXY"),
	}
}
