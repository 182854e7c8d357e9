package telemetry

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
)

func TestHealthIsAskedWhereTheEndpointListens(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	for _, host := range []string{"127.0.0.1", "", "0.0.0.0", "[::]"} {
		e, err := Serve(t.Context(), host+":0", func() Snapshot { return Snapshot{} }, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(e.Addr())
		if err := Healthy(t.Context(), host+":"+port); err != nil {
			t.Errorf("%q: %v", host, err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if err := Healthy(t.Context(), host+":"+port); err == nil {
			t.Errorf("%q: healthy after its end", host)
		}
	}
}

func TestHealthOfWhatDoesNotAnswer(t *testing.T) {
	if err := Healthy(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "AGENT_METRICS_ADDR") {
		t.Errorf("%v", err)
	}
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Healthy(ctx, silent.Addr().String()); err == nil {
		t.Error("healthy though nobody answers")
	}
}
