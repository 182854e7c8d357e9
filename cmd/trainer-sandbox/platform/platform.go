// Package platform joins the store, the backend and the page to the platform that
// a job sees: one for a person at a laptop, one for tests that run whole jobs. It
// promises that what works against it works against the real one, as far as its
// parts do. It leaves to its callers which job runs, and where.
package platform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/page"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/store"
)

const (
	headerTimeout   = 10 * time.Second
	shutdownTimeout = 5 * time.Second
)

// Config says where the platform listens and keeps its data.
type Config struct {
	S3Addr, BackendAddr  string // host:port; port 0 picks a free one; empty means 127.0.0.1:0
	DataDir              string
	Token                string
	AccessKey, SecretKey string // of the store; empty means its defaults
	Bucket               string
	Hosts                []string // names by which it may be called besides localhost, the machine's and addresses
}

// Platform is a running store, backend and page.
type Platform struct {
	Store   *store.Server
	Backend *backend.Backend
	URL     string // of backend and page
	config  Config
	server  *http.Server
	served  chan error
	lock    *flock.Flock // of the data folder
}

// Start brings everything up, or leaves nothing running.
func Start(ctx context.Context, cfg Config) (p *Platform, err error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	p = &Platform{config: cfg, served: make(chan error, 1), lock: flock.New(filepath.Join(cfg.DataDir, "lock"))}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	// Two would write to one record of the callbacks, and each know half of the jobs.
	if alone, err := p.lock.TryLock(); err != nil {
		return p, fmt.Errorf("locking the data folder: %w", err)
	} else if !alone {
		return p, fmt.Errorf("another sandbox is at work in %s: name another folder with --data-dir", cfg.DataDir)
	}
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

func (p *Platform) listen(ctx context.Context) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", cmp.Or(p.config.BackendAddr, "127.0.0.1:0"))
	if err != nil {
		return fmt.Errorf("starting the backend: %w", err)
	}
	p.URL = "http://" + store.Reachable(listener.Addr().String())
	mux := http.NewServeMux()
	mux.Handle("/", page.New(page.Config{Objects: p.Store.Client(), Bucket: p.config.Bucket, Calls: p.Backend}))
	for _, path := range backend.Paths() {
		mux.Handle(path, p.Backend)
	}
	p.server = &http.Server{Handler: guard(mux, p.config.Hosts), ReadHeaderTimeout: headerTimeout}
	go func() { p.served <- p.server.Serve(listener) }()
	return nil
}

// Env is what a job needs to know of the platform.
func (p *Platform) Env() map[string]string {
	env := p.Store.Env()
	env["BUCKET_NAME"] = p.config.Bucket
	env["BACKEND_BASE_URL"] = p.URL
	env["CALLBACK_TOKEN"] = p.config.Token
	return env
}

// Serve waits until ctx ends, or a part by itself, and stops everything.
func (p *Platform) Serve(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return p.Close()
	case err := <-p.served:
		p.served <- err
		return errors.Join(err, p.Close())
	case <-p.Store.Done():
		return errors.Join(errors.New("the S3 store ended by itself"), p.Close())
	}
}

// Close stops everything; the data stays.
func (p *Platform) Close() error {
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
	return errors.Join(append(errs, p.lock.Close())...)
}
