package storage

import (
	"bytes"
	"cmp"
	"context"
	"net/http"

	"github.com/vision-platform/trainer-agent/agent/internal/stage"
)

// Access is a job's way to its bucket, and to any other that the same credentials open.
type Access struct {
	Config Config // of the job's own bucket

	Store Store // the job's own; nil before Start
}

// Start opens the job's bucket.
func (a *Access) Start(ctx context.Context) (err error) {
	a.Store, err = a.Open(ctx, a.Config.Bucket)
	return err
}

// Stop does nothing: a store holds nothing open.
func (a *Access) Stop(context.Context) error { return nil }

// Open opens a bucket.
func (a *Access) Open(ctx context.Context, bucket string) (Store, error) {
	if a.Store != nil && bucket == a.Config.Bucket {
		return a.Store, nil
	}
	cfg := a.Config
	cfg.Bucket = bucket
	return Open(ctx, cfg)
}

// Client is an HTTP client as the store's.
func (a *Access) Client() (*http.Client, error) { return HTTPClient(a.Config) }

// ClientTrusting is one that trusts the authorities of another file, if it is given.
func (a *Access) ClientTrusting(caFile string) (*http.Client, error) {
	return HTTPClient(Config{CAFile: cmp.Or(caFile, a.Config.CAFile), Getenv: a.Config.Getenv})
}

// Keep writes a small object and returns its address. It is for the end of a job, so it
// takes no longer than stage.MinTail and ignores an earlier end of ctx.
func (a *Access) Keep(ctx context.Context, key string, body []byte) (uri string, err error) {
	err = stage.Bound(context.WithoutCancel(ctx), stage.MinTail, "writing "+key, func(ctx context.Context) error {
		_, err := a.Store.Put(ctx, key, bytes.NewReader(body), int64(len(body)), nil)
		return err
	})
	return a.Store.URI(key), err
}

// AddressingOf reads AGENT_S3_PATH_STYLE.
func AddressingOf(pathStyle string) Addressing {
	switch pathStyle {
	case "true":
		return AddressPath
	case "false":
		return AddressVirtual
	}
	return AddressAuto
}
