package agent

import (
	"context"
	"net/http"

	"github.com/vision-platform/trainer-agent/agent/doctor"
	"github.com/vision-platform/trainer-agent/agent/monitor/gpu"
	"github.com/vision-platform/trainer-agent/agent/monitor/resources"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/contract"
)

// Doctor tries everything that the job will need.
func Doctor(ctx context.Context, o Options) []doctor.Finding {
	cfg, store := o.Config, &storeAccess{o: &o}
	examine := doctor.Options{
		JobID: cfg.JobID, WorkspaceDir: cfg.WorkspaceDir, Now: o.Now,
		Backend: doctor.Backend{URL: string(cfg.BaseURL), TraceID: cfg.TraceID, Token: o.token().Read, Client: func() (*http.Client, error) {
			return storage.HTTPClient(storage.Config{CAFile: cfg.CAFile, Getenv: o.getenv})
		}},
		Bucket: doctor.Bucket{Name: cfg.BucketName, DatasetID: cfg.DatasetID, Open: func(ctx context.Context) (doctor.Store, error) {
			return store.open(ctx, cfg.BucketName)
		}},
		Machine: doctor.Machine{
			Workers: cfg.NumWorkers, ShmNeed: resources.ShmNeed(cfg.Framework, cfg.NumWorkers, cfg.BatchSize, cfg.ImageSize),
			Sample: func(workspace string) (*contract.System, error) {
				sampler, err := resources.New(resources.Options{Workspace: workspace})
				if err != nil {
					return nil, err
				}
				return sampler.Sample(), nil
			},
		},
		GPU: doctor.GPU{Device: cfg.Device, Probe: gpu.FindProbe(cfg.GPUProbe)},
	}
	for _, p := range o.Problems {
		examine.Problems = append(examine.Problems, doctor.Problem{Text: p.String(), Fatal: !p.Warning})
	}
	return doctor.Examine(ctx, examine)
}
