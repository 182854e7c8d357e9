package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// Healthy asks the Endpoint that listens on addr whether its agent lives. An
// address of all interfaces is asked on loopback: who asks is in the same
// container. The caller's context bounds the wait.
func Healthy(ctx context.Context, addr string) error {
	if addr == "" {
		return errors.New("asking for health: AGENT_METRICS_ADDR is not set, so nothing answers")
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("asking for health at AGENT_METRICS_ADDR: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1" // a scratch image has no /etc/hosts
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	// Without the default transport: a proxy of the environment is no way to loopback.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking for health: %s answers %s", request.URL, response.Status)
	}
	return nil
}
