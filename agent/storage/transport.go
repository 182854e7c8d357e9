package storage

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/httpx"
)

// HTTPClient makes the client that the store uses: proxies from cfg.Getenv, the
// CA file beside the system's, IPv6 and IPv4 raced, stalls cut. It is exported
// because weights behind a presigned URL come over the same network.
//
// It speaks HTTP/1.1 only: parallel ranges and parts are meant to be parallel
// connections, and one HTTP/2 connection would put them all in one window.
func HTTPClient(cfg Config) (*http.Client, error) {
	cfg = cfg.withDefaults()
	roots, err := httpx.Roots(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	transport := &http.Transport{
		Proxy: httpx.Proxy(cfg.Getenv),
		DialContext: func(ctx context.Context, family, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, family, addr)
			if err != nil {
				return nil, err
			}
			return &stallConn{Conn: c, limit: cfg.StallTimeout}, nil
		},
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 2 * cfg.StallTimeout,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       min(30*time.Second, cfg.StallTimeout),
		MaxIdleConns:          128,
		MaxIdleConnsPerHost:   64,
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        32 << 10,
		DisableCompression:    true, // bytes and lengths as they are stored
	}
	return &http.Client{Transport: transport}, nil
}

// stallConn breaks a connection on which nothing moves: every read and write has
// the stall timeout as its deadline. A write also extends a pending read, or the
// transport's background read would end an upload that takes longer than that.
type stallConn struct {
	net.Conn
	limit time.Duration
}

func (c *stallConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *stallConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
