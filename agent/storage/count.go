package storage

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/vision-platform/trainer-agent/contract"
)

// Counts is what a store did since it was opened. Several stores may share one.
type Counts struct {
	Retries  atomic.Int64 // requests and reads that were tried again
	Sent     atomic.Int64 // bytes of bodies, those sent again included
	Received atomic.Int64 // bytes of objects
}

// Read is all of them at one moment.
func (c *Counts) Read() (retries, sent, received int64) {
	return c.Retries.Load(), c.Sent.Load(), c.Received.Load()
}

// counted is a store whose bytes are counted.
type counted struct {
	Store
	counts *Counts
}

func count(s Store, c *Counts) Store { return counted{s, c} }

func (s counted) Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error) {
	r, info, err := s.Store.Get(ctx, key, offset, length, etag)
	if err != nil {
		return r, info, err
	}
	return received{r, func(n int) error { s.counts.Received.Add(int64(n)); return nil }}, info, nil
}

func (s counted) Put(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error) {
	body = onSent(body, func(_ context.Context, n int) error { s.counts.Sent.Add(int64(n)); return nil })
	return s.Store.Put(ctx, key, body, size, commit)
}
