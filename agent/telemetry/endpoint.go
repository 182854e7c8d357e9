package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/crowd"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// maxConnections is what a training that connects without end, or keeps what it has,
// takes of the descriptors with which the agent ends the job. Each ends with its answer.
// A pod whose probe has none is killed, so that the oldest makes way at once.
const maxConnections = 64

// Endpoint serves /metrics, /healthz and /readyz.
type Endpoint struct {
	server   *http.Server
	listener net.Listener
}

// Serve listens on addr (host:port) and answers from read until Close. What goes
// wrong with a scraper's connection is told at debug level: it is no fault of the
// job's.
func Serve(ctx context.Context, addr string, read func() Snapshot, log *slog.Logger) (*Endpoint, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for metrics on AGENT_METRICS_ADDR=%s: %w", addr, err)
	}
	return serve(listener, read, log), nil
}

func serve(listener net.Listener, read func() Snapshot, log *slog.Logger) *Endpoint {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) { serveMetrics(w, r, read()) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		s := read()
		if !s.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = fmt.Fprintln(w, s.Phases.Running)
	})
	e := &Endpoint{listener: listener, server: &http.Server{
		Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	e.server.SetKeepAlivesEnabled(false)
	crew.Go(func() {
		if err := e.server.Serve(crowd.New(listener, crowd.Options{Strangers: maxConnections})); err != nil && !errors.Is(err, http.ErrServerClosed) {
			return // the listener is gone: metrics are no reason to disturb a job
		}
	})
	return e
}

// Addr is where the endpoint listens.
func (e *Endpoint) Addr() string { return e.listener.Addr().String() }

// Close stops serving.
func (e *Endpoint) Close() error { return e.server.Close() }
