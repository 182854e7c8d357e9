package settings

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/doctor"
	"github.com/vision-platform/trainer-agent/agent/internal/httpx"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/monitor/gpu"
	"github.com/vision-platform/trainer-agent/agent/monitor/resources"
	"github.com/vision-platform/trainer-agent/agent/process/confine"
	"github.com/vision-platform/trainer-agent/agent/storage"
)

// Doctor is everything that the job will need, to be tried.
func Doctor(cfg *config.Config, problems []config.Problem, environ []string, log *slog.Logger) doctor.Options {
	_, token := config.BackendToken(cfg)
	o := doctor.Options{
		JobID: cfg.JobID, WorkspaceDir: cfg.WorkspaceDir, StateDir: cfg.StateDir, Landlock: confine.ABI(),
		Backend: doctor.Backend{URL: string(cfg.BaseURL), TraceID: cfg.TraceID, Token: token, Client: func() (*http.Client, error) {
			return storage.HTTPClient(storage.Config{CAFile: cfg.CAFile, Getenv: httpx.Getenv(environ)})
		}},
		Bucket: doctor.Bucket{Name: cfg.BucketName, DatasetID: cfg.DatasetID, Open: func(ctx context.Context) (doctor.Store, error) {
			return storage.Open(ctx, Bucket(cfg, environ, log))
		}},
		Machine: doctor.Machine{
			Workers: cfg.NumWorkers, ShmNeed: resources.ShmNeed(cfg.Framework, cfg.NumWorkers, cfg.BatchSize, cfg.ImageSize),
			Sample: resources.Once,
		},
		GPU:     doctor.GPU{Device: cfg.Device, Node: cfg.NodeName, Probe: gpu.FindProbe(cfg.GPUProbe)},
		Environ: gpu.ProbeEnv(environ),
		Reachable: func() []string {
			ws, err := job.NewWorkspace(cfg.WorkspaceDir, cfg.StateDir)
			if err != nil {
				return nil // which is said of the workspace
			}
			apart := Isolation(cfg, ws, environ, nil)
			apart.Log = log
			return apart.Foreseen()
		},
	}
	for _, p := range problems {
		o.Problems = append(o.Problems, doctor.Problem{Text: p.String(), Fatal: !p.Warning})
	}
	return o
}
