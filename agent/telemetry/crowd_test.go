package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// memory is a network within the test, on the test's own clock.
type memory struct {
	dialled chan net.Conn
	closed  chan struct{}
}

func (m memory) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	m.dialled <- there
	return here, nil
}

func (m memory) Accept() (net.Conn, error) {
	select {
	case conn := <-m.dialled:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m memory) Close() error   { close(m.closed); return nil }
func (m memory) Addr() net.Addr { return &net.TCPAddr{} }

// A training that holds every connection there may be, and asks nothing.
func TestAProbeIsAnsweredAtOnceWhoeverHoldsTheConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory{make(chan net.Conn), make(chan struct{})}
		e := serve(m, func() Snapshot { return Snapshot{} }, slog.New(slog.DiscardHandler))
		defer func() { _ = e.Close() }()
		held := make([]net.Conn, maxConnections)
		for i := range held {
			held[i], _ = m.dial(t.Context(), "", "")
			defer held[i].Close() //nolint:errcheck // a pipe
		}
		began := time.Now()
		client := http.Client{Transport: &http.Transport{DialContext: m.dial, DisableKeepAlives: true}}
		response, err := client.Get("http://agent/healthz")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || string(body) != "ok\n" || time.Since(began) != 0 {
			t.Errorf("%q, %v after %v", body, err, time.Since(began))
		}
		if _, err := held[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the oldest connection is still there: %v", err)
		}
		if _, err := held[1].Write([]byte("GET")); err != nil || time.Since(began) != 0 {
			t.Errorf("another one made way too: %v", err)
		}
	})
}
