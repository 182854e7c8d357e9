package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/page"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/store"
)

const (
	defaultBucket = "vision-platform"
	defaultToken  = "sandbox-token"

	headerTimeout   = 10 * time.Second
	shutdownTimeout = 5 * time.Second
)

// platformConfig says where the platform listens and keeps its data.
type platformConfig struct {
	S3Addr, BackendAddr  string // host:port; port 0 picks a free one
	DataDir              string
	Token                string
	AccessKey, SecretKey string
	Bucket               string
}

// platform is a running store, backend and page.
type platform struct {
	Store   *store.Server
	Backend *backend.Backend
	URL     string // of backend and page
	config  platformConfig
	server  *http.Server
	served  chan error
}

// startPlatform brings everything up, or leaves nothing running.
func startPlatform(ctx context.Context, cfg platformConfig) (p *platform, err error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	p = &platform{config: cfg, served: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	// The store's life ends with Close, not with ctx: an interrupted demo still
	// reads the bucket for its summary.
	p.Store, err = store.Start(context.WithoutCancel(ctx), store.Config{
		Addr: cfg.S3Addr, Dir: filepath.Join(cfg.DataDir, "store"),
		AccessKey: cfg.AccessKey, SecretKey: cfg.SecretKey, Buckets: []string{cfg.Bucket},
	})
	if err != nil {
		return p, err
	}
	p.Backend, err = backend.New(backend.Options{Token: cfg.Token, Journal: filepath.Join(cfg.DataDir, "calls.jsonl")})
	if err != nil {
		return p, err
	}
	return p, p.listen(ctx)
}

func (p *platform) listen(ctx context.Context) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", p.config.BackendAddr)
	if err != nil {
		return fmt.Errorf("starting the backend: %w", err)
	}
	p.URL = "http://" + listener.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("/", page.New(page.Config{Objects: p.Store.Client(), Bucket: p.config.Bucket, Calls: p.Backend}))
	for _, path := range backend.Paths() {
		mux.Handle(path, p.Backend)
	}
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
	go func() { p.served <- p.server.Serve(listener) }()
	return nil
}

// Env is what a job needs to know of the platform.
func (p *platform) Env() map[string]string {
	env := p.Store.Env()
	env["BUCKET_NAME"] = p.config.Bucket
	env["BACKEND_BASE_URL"] = p.URL
	env["CALLBACK_TOKEN"] = p.config.Token
	return env
}

// Close stops everything; the data stays.
func (p *platform) Close() error {
	var errs []error
	if p.Backend != nil {
		errs = append(errs, p.Backend.Close()) // first: it ends the streams that would hold the server
	}
	if p.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		if err := p.server.Shutdown(ctx); err != nil {
			errs = append(errs, p.server.Close())
		}
		if err := <-p.served; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	if p.Store != nil {
		errs = append(errs, p.Store.Close())
	}
	return errors.Join(errs...)
}
