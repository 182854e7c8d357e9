package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"
)

// Timeouts bound the parts of a request. What is zero is as the field says.
type Timeouts struct {
	Dial   time.Duration // to connect, and again for TLS; default 10 s
	Stall  time.Duration // a connection on which no byte moves this long is broken; 0 = none is
	Header time.Duration // from the request's end to the answer's header; 0 = as long as the connection lives
	Idle   time.Duration // a connection that is not used this long is closed; default 90 s
}

// NewTransport makes a transport for servers outside of this machine: proxies as
// getenv has them (nil for none), the authorities of roots (nil for the system's),
// IPv6 and IPv4 raced, and at least TLS 1.2. The caller sets what else it needs.
func NewTransport(getenv func(string) string, roots *x509.CertPool, t Timeouts) *http.Transport {
	if t.Dial <= 0 {
		t.Dial = 10 * time.Second
	}
	if t.Idle <= 0 {
		t.Idle = 90 * time.Second
	}
	transport := &http.Transport{
		DialContext:           dialer(t),
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   t.Dial,
		ResponseHeaderTimeout: t.Header,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       t.Idle,
	}
	if getenv != nil {
		transport.Proxy = Proxy(getenv)
	}
	return transport
}

func dialer(t Timeouts) func(ctx context.Context, family, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: t.Dial, KeepAlive: 30 * time.Second}
	if t.Stall <= 0 {
		return d.DialContext
	}
	return func(ctx context.Context, family, address string) (net.Conn, error) {
		c, err := d.DialContext(ctx, family, address)
		if err != nil {
			return nil, err
		}
		return &stallConn{Conn: c, limit: t.Stall}, nil
	}
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

// SameHost follows a redirect only to the host that was asked, never from https to
// http, and never far: an answer may send the request, with what its address
// carries as a signature, to somebody whom nobody named. The address of the page
// that redirected is not told either.
func SameHost(next *http.Request, before []*http.Request) error {
	first := before[0].URL
	if len(before) > maxRedirects || next.URL.Host != first.Host || first.Scheme == "https" && next.URL.Scheme != "https" {
		return http.ErrUseLastResponse
	}
	next.Header.Del("Referer")
	return nil
}

const maxRedirects = 5
