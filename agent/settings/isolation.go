package settings

import (
	"cmp"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/internal/httpx"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/process/isolation"
	"github.com/vision-platform/trainer-agent/trainers/kit/scratch"
)

// Isolation is what the training's process is kept from. secretFiles have settings that
// are secret, besides those that variables name.
func Isolation(cfg *config.Config, ws job.Workspace, environ, secretFiles []string) *isolation.Stage {
	getenv := httpx.Getenv(environ)
	s := &isolation.Stage{Required: cfg.RequireIsolation, RunAs: runAs(cfg), Job: isolation.Job{
		Workspace: ws, Credentials: append(cfg.CredentialFiles(environ), secretFiles...),
		Shared: []string{cfg.WeightsDir, cfg.DatasetPath, cfg.LocalBucketDir}, Cache: cfg.CacheDir, Temp: cmp.Or(getenv("TMPDIR"), "/tmp"), Peers: cfg.Nodes > 1, Scratch: scratch.Root(),
	}}
	if !cfg.PassCredentials { // they lie there
		s.Job.Secrets = config.SecretFolders
	}
	if s.RunAs == nil {
		s.Job.Home = getenv("HOME")
	}
	return s
}

// runAs is AGENT_RUN_AS; nil means as the agent.
func runAs(cfg *config.Config) *process.Identity {
	if cfg.RunAs == nil {
		return nil
	}
	return &process.Identity{UID: cfg.RunAs.UID, GID: cfg.RunAs.GID}
}
