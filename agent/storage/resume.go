package storage

import (
	"context"
	"io"

	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
	"github.com/vision-platform/trainer-agent/agent/internal/download"
	"github.com/vision-platform/trainer-agent/contract"
)

// maxBreaks is how many connections may break in a row before a read gives up.
const maxBreaks = 6

// resumed is a store whose reads go on after a broken connection. A request that
// fails at once is the base's to send again: only it knows what can be sent twice.
type resumed struct {
	Store
	cfg Config
}

func resume(s Store, cfg Config) Store { return resumed{s, cfg} }

func (s resumed) Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error) {
	return download.Open(ctx, s.Store, key, offset, length, etag, download.Options{Name: s.URI(key), Again: s.again})
}

func (s resumed) again(ctx context.Context, b download.Break) error {
	if b.Row > maxBreaks {
		return b.Err
	}
	s.cfg.Log.Debug("a download broke off and goes on", "key", b.Key, "byte", b.At, "error", b.Err)
	s.cfg.Counts.Retries.Add(1)
	return backoff.Wait(ctx, s.cfg.waits().Delay(b.Row-1)/2)
}
