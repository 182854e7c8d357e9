package agent

import (
	"context"
	"net/http"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/doctor"
	"github.com/vision-platform/trainer-agent/agent/internal/httpx"
	"github.com/vision-platform/trainer-agent/agent/monitor/gpu"
	"github.com/vision-platform/trainer-agent/agent/monitor/resources"
	"github.com/vision-platform/trainer-agent/agent/settings"
	"github.com/vision-platform/trainer-agent/agent/storage"
)

// Doctor tries everything that the job will need.
func Doctor(ctx context.Context, o Options) []doctor.Finding {
	cfg, store := o.Config, &storage.Access{Config: settings.Bucket(o.Config, o.Environ, o.Log)}
	_, token := config.BackendToken(cfg)
	examine := doctor.Options{
		JobID: cfg.JobID, WorkspaceDir: cfg.WorkspaceDir, Now: o.Now,
		Backend: doctor.Backend{URL: string(cfg.BaseURL), TraceID: cfg.TraceID, Token: token, Client: func() (*http.Client, error) {
			return storage.HTTPClient(storage.Config{CAFile: cfg.CAFile, Getenv: httpx.Getenv(o.Environ)})
		}},
		Bucket: doctor.Bucket{Name: cfg.BucketName, DatasetID: cfg.DatasetID, Open: func(ctx context.Context) (doctor.Store, error) {
			return store.Open(ctx, cfg.BucketName)
		}},
		Machine: doctor.Machine{
			Workers: cfg.NumWorkers, ShmNeed: resources.ShmNeed(cfg.Framework, cfg.NumWorkers, cfg.BatchSize, cfg.ImageSize),
			Sample: resources.Once,
		},
		GPU: doctor.GPU{Device: cfg.Device, Node: cfg.NodeName, Probe: gpu.FindProbe(cfg.GPUProbe)},
	}
	for _, p := range o.Problems {
		examine.Problems = append(examine.Problems, doctor.Problem{Text: p.String(), Fatal: !p.Warning})
	}
	return doctor.Examine(ctx, examine)
}
