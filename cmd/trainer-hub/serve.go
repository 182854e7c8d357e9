package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/blob"
	"github.com/vision-platform/trainer-agent/hub/build"
	"github.com/vision-platform/trainer-agent/hub/notify"
	"github.com/vision-platform/trainer-agent/hub/objects"
	"github.com/vision-platform/trainer-agent/hub/registry"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

type serveCmd struct {
	place
	scanners
	provider
	isolation
	Addr       string   `env:"TRAINER_HUB_ADDR" default:"127.0.0.1:7070" help:"Address to listen on; port 0 picks a free one."`
	URL        string   `env:"TRAINER_HUB_URL" placeholder:"URL" help:"Where people reach the hub, behind a proxy (default: the address)."`
	Proxied    bool     `name:"behind-proxy" env:"TRAINER_HUB_BEHIND_PROXY" help:"People reach the hub by a proxy only, whose X-Forwarded-For says who asks: limits are then each address's own."`
	Python     string   `env:"TRAINER_HUB_PYTHON" default:"python3" help:"Interpreter that packages are proven with; it has pip and nothing that they require."`
	Agent      string   `env:"TRAINER_HUB_AGENT" placeholder:"PATH" help:"The trainer-agent that trains (default: beside trainer-hub, else in PATH)."`
	Wheels     string   `env:"TRAINER_HUB_WHEELS" placeholder:"DIR" type:"path" help:"Folder that wheels are taken from; without one pip asks its index."`
	Base       string   `env:"TRAINER_HUB_BASE" placeholder:"IMAGE" help:"Image with a Python that trainers' images stand on, NAME@sha256:… or the folder of an OCI layout. Without one no images are made."`
	Registry   string   `env:"TRAINER_HUB_REGISTRY" placeholder:"HOST/PATH" help:"Registry for what is published (default: the hub's own, at /v2/)."`
	Schemas    string   `env:"TRAINER_HUB_SCHEMAS" placeholder:"s3://BUCKET" help:"Bucket that the platform reads schemas and capabilities from (default: the folder config-schemas in the data folder)."`
	Packages   string   `env:"TRAINER_HUB_PACKAGES" placeholder:"s3://BUCKET" help:"Bucket that keeps uploaded packages, under packages/ (default: the folder packages in the data folder)."`
	Webhook    string   `env:"TRAINER_HUB_WEBHOOK" placeholder:"URL" help:"Address that hears how submissions end; what it is sent is signed with TRAINER_HUB_WEBHOOK_SECRET."`
	Platform   string   `env:"TRAINER_HUB_PLATFORM" placeholder:"URL" help:"Backend of the platform. Jobs whose BACKEND_BASE_URL is the hub then reach it, and what they train is counted."`
	Unscanned  []string `name:"allow-unscanned" env:"TRAINER_HUB_ALLOW_UNSCANNED" enum:"malware,dependencies" placeholder:"SCAN" help:"Let packages pass without this scan where its scanner is missing: malware, dependencies."`
	MaxPackage int64    `env:"TRAINER_HUB_MAX_PACKAGE" default:"512" placeholder:"MIB" help:"Largest package, in MiB."`
	KeepDays   int      `env:"TRAINER_HUB_KEEP_DAYS" default:"30" placeholder:"DAYS" help:"How long packages are kept whose submission ended without a version; 0 is for ever."`
}

// maxKeepDays is ten years.
const maxKeepDays = 3650

// Help has the examples.
func (serveCmd) Help() string {
	return `Prints a one-time link that logs in, where it is for this machine alone. Examples:

  trainer-hub serve --python .venv/bin/python
  trainer-hub serve --url https://hub.example.com --behind-proxy --database postgres://hub@db/hub

Users of a hub that is reached by a network get a link or a token from its operator: "trainer-hub link
NAME", "trainer-hub token NAME"; or log in by an OpenID Connect provider: --oidc-issuer. Put TLS in front of it.`
}

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if c.KeepDays < 0 || c.KeepDays > maxKeepDays {
		return fmt.Errorf("--keep-days %d is not 0 to %d", c.KeepDays, maxKeepDays)
	}
	if c.URL != "" {
		if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Path != "" {
			return fmt.Errorf("--url %q is not http(s)://host without a path", c.URL)
		}
	}
	oidc, err := c.oidc()
	if err != nil {
		return err
	}
	where, err := c.open(ctx, c.Base)
	if err != nil {
		return err
	}
	defer func() { _ = where.close() }()
	proof, err := c.proof(where)
	if err != nil {
		return err
	}
	releases, err := c.release(ctx, proof)
	if err != nil {
		return err
	}
	webhook, err := c.webhook()
	if err != nil {
		return err
	}
	platform, err := c.platform()
	if err != nil {
		return err
	}
	packages, err := c.packages(ctx)
	if err != nil {
		return err
	}
	h, err := hub.Open(ctx, hub.Config{
		Addr: c.Addr, URL: c.URL, BehindProxy: c.Proxied, DataDir: c.DataDir, Database: c.Database, MaxPackage: c.MaxPackage << 20, KeepEnded: time.Duration(c.KeepDays) * 24 * time.Hour, Packages: packages,
		Stages: proof.Stages(), Release: releases, Webhook: webhook, Platform: platform, OIDC: oidc, Log: log,
	})
	if err != nil {
		return err
	}
	defer func() { _ = h.Close() }()
	if err := where.closed(ctx, proof, c.DataDir); err != nil {
		return err
	}
	stop, err := where.start(ctx, c.DataDir)
	if err != nil {
		return err
	}
	defer func() { _ = stop() }()
	if err := c.greet(ctx, h, where); err != nil {
		return err
	}
	return h.Serve(ctx)
}

// proof is what packages are proven with.
func (c *serveCmd) proof(where level) (p hub.Proof, err error) {
	p = hub.Proof{Environ: os.Environ(), AllowUnscanned: c.Unscanned, Runner: where.Runner, Image: where.image}
	if p.Scanners, err = c.tools(); err != nil {
		return p, err
	}
	if p.Agent, err = c.agent(); err != nil {
		return p, err
	}
	p.Build = build.Tools{Wheels: c.Wheels, Environ: os.Environ()}
	if p.Build.Python, err = exec.LookPath(c.Python); err == nil {
		p.Build.Python, err = filepath.Abs(p.Build.Python)
	}
	if err != nil {
		return p, fmt.Errorf("finding Python: %w: set --python", err)
	}
	return p, nil
}

// release is how packages are published.
func (c *serveCmd) release(ctx context.Context, proof hub.Proof) (*hub.Release, error) {
	r := &hub.Release{Build: proof.Build, Agent: proof.Agent}
	var err error
	if r.Python, err = r.Build.PythonVersion(ctx); err != nil {
		return nil, fmt.Errorf("%w: set --python", err)
	}
	if c.Base != "" {
		if r.Base, err = build.OpenBase(ctx, c.Base, r.Python); err != nil {
			return nil, err
		}
	}
	if c.Registry != "" {
		if r.Registry, err = registry.OpenRemote(c.Registry, registry.Patience); err != nil {
			return nil, err
		}
	}
	if c.Schemas != "" {
		r.Objects, err = openBucket(ctx, "--schemas", c.Schemas)
	}
	return r, err
}

// packages is the bucket that keeps packages, nil for none.
func (c *serveCmd) packages(ctx context.Context) (blob.Objects, error) {
	if c.Packages == "" {
		return nil, nil
	}
	return openBucket(ctx, "--packages", c.Packages)
}

// openBucket refuses a bucket that is not in its store: its name is misspelt. A store that is away
// is waited for.
func openBucket(ctx context.Context, flag, address string) (*objects.Bucket, error) {
	name, ok := strings.CutPrefix(address, "s3://")
	if !ok {
		return nil, fmt.Errorf("%s %q is not s3://BUCKET", flag, address)
	}
	bucket, err := objects.OpenBucket(ctx, name)
	if err != nil {
		return nil, err
	}
	if errors.Is(bucket.Check(ctx), objects.ErrNoBucket) {
		return nil, fmt.Errorf("%s %s: %w: make it, or name another", flag, address, objects.ErrNoBucket)
	}
	return bucket, nil
}

const (
	webhookSecret = "TRAINER_HUB_WEBHOOK_SECRET"
	minSecret     = 16
)

// webhook is whom the hub tells how submissions end. The secret has no flag: command lines
// are read by others.
func (c *serveCmd) webhook() (*notify.Webhook, error) {
	if c.Webhook == "" {
		return nil, nil
	}
	if u, err := url.Parse(c.Webhook); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--webhook %q is not http(s)://…", c.Webhook)
	}
	secret := os.Getenv(webhookSecret)
	if len(secret) < minSecret {
		return nil, fmt.Errorf("--webhook needs %s, of at least %d characters: what the webhook is sent is signed with it", webhookSecret, minSecret)
	}
	return &notify.Webhook{URL: c.Webhook, Secret: []byte(secret)}, nil
}

// platform is whom callbacks are passed on to. It is no other than a web address: a job
// writes what is sent there.
func (c *serveCmd) platform() (*url.URL, error) {
	if c.Platform == "" {
		return nil, nil
	}
	u, err := url.Parse(c.Platform)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--platform %q is not http(s)://HOST, without user or query", c.Platform)
	}
	return u, nil
}

func (c *serveCmd) agent() (string, error) {
	if c.Agent != "" {
		return filepath.Abs(c.Agent)
	}
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), "trainer-agent"); executable(beside) {
			return beside, nil
		}
	}
	path, err := exec.LookPath("trainer-agent")
	if err != nil {
		return "", errors.New("trainer-agent is neither beside trainer-hub nor in PATH: set --agent")
	}
	return filepath.Abs(path)
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// greet prints what a person needs to know at the start.
func (c *serveCmd) greet(ctx context.Context, h *hub.Hub, where level) error {
	link, err := h.Link(ctx)
	if err != nil {
		return err
	}
	database := "SQLite"
	if store.Postgres(c.Database) {
		database = "PostgreSQL"
	}
	fmt.Printf("Hub:       %s\n", h.URL())
	if link != "" {
		fmt.Printf("Log in:    %s\n", link)
	}
	images := "none are made without --base; trainers are published with their wheels"
	if c.Base != "" {
		images = "on " + c.Base
	}
	isolated := where.Level()
	if where.says != "" {
		isolated += " (" + where.says + ")"
	}
	fmt.Printf("Data:      %s (%s)\nImages:    %s\nIsolation: %s\n", c.DataDir, database, images, isolated)
	for _, scan := range c.Unscanned {
		fmt.Printf("Allowed without a scan: %s\n", scan)
	}
	if host, _, err := net.SplitHostPort(c.Addr); err == nil && c.Isolation == runner.LevelProcess && !net.ParseIP(host).IsLoopback() {
		fmt.Println("Warning: whoever may upload runs programs on this machine, for packages are not isolated.")
	}
	return nil
}
