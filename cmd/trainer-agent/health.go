package main

import (
	"context"
	"time"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/telemetry"
)

// HealthCmd asks the agent of the same container whether it lives.
type HealthCmd struct {
	Timeout time.Duration `default:"3s" help:"How long to wait for the answer."`
}

// Help is shown below the flags.
func (HealthCmd) Help() string {
	return `Examples:
  trainer-agent health
  HEALTHCHECK CMD ["trainer-agent", "health"]

Asks /healthz on AGENT_METRICS_ADDR, so a health check needs no shell, curl or
Python in the image. Exits with 0 when the agent lives, else with 1.`
}

// Run asks.
func (c HealthCmd) Run() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.Timeout)
	defer cancel()
	cfg, _ := config.Load() // what else is wrong is the job's concern
	return telemetry.Healthy(ctx, cfg.MetricsAddr)
}
