package storage

import (
	"net/http"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/httpx"
)

// HTTPClient makes the client that the store uses: proxies from cfg.Getenv, the
// CA file and AWS_CA_BUNDLE beside the system's, IPv6 and IPv4 raced, stalls cut. It is exported
// because weights behind a presigned URL come over the same network.
//
// It speaks HTTP/1.1 only: parallel ranges and parts are meant to be parallel
// connections, and one HTTP/2 connection would put them all in one window.
func HTTPClient(cfg Config) (*http.Client, error) {
	cfg = cfg.withDefaults()
	roots, err := httpx.Roots(cfg.CAFile, cfg.Getenv("AWS_CA_BUNDLE"))
	if err != nil {
		return nil, err
	}
	transport := httpx.NewTransport(cfg.Getenv, roots, httpx.Timeouts{
		Stall: cfg.StallTimeout, Header: 2 * cfg.StallTimeout, Idle: min(30*time.Second, cfg.StallTimeout),
	})
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 128, 64
	transport.WriteBufferSize, transport.ReadBufferSize = 64<<10, 32<<10
	transport.DisableCompression = true // bytes and lengths as they are stored
	return &http.Client{
		Transport: transport,
		// A request is signed for its host: no other one gets to see it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
