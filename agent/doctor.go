package agent

import (
	"context"

	"github.com/vision-platform/trainer-agent/agent/doctor"
	"github.com/vision-platform/trainer-agent/agent/settings"
)

// Doctor tries everything that the job will need.
func Doctor(ctx context.Context, o Options) []doctor.Finding {
	examine := settings.Doctor(o.Config, o.Problems, o.Environ, o.Log)
	examine.Now = o.Now
	return doctor.Examine(ctx, examine)
}
