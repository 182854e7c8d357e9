package storage

import (
	"context"
	"io"

	"golang.org/x/time/rate"

	"github.com/vision-platform/trainer-agent/contract"
)

// burst is how much may pass at once under a bandwidth cap, in bytes.
const burst = 256 << 10

// paced is a store under a bandwidth cap. Its readers and bodies move their bytes
// first and wait then: over any stretch of time the average holds, which is all that
// a cap means.
type paced struct {
	Store
	up, down *rate.Limiter // nil without a cap
}

// pace caps what goes up and what comes down; 0 is no cap.
func pace(s Store, up, down int64) Store {
	if up <= 0 && down <= 0 {
		return s
	}
	return paced{s, newLimiter(up), newLimiter(down)}
}

func newLimiter(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), burst)
}

func (s paced) Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error) {
	r, info, err := s.Store.Get(ctx, key, offset, length, etag)
	if err != nil || s.down == nil {
		return r, info, err
	}
	return received{r, func(n int) error { return s.down.WaitN(ctx, n) }}, info, nil
}

func (s paced) Put(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error) {
	if s.up != nil {
		body = onSent(body, s.up.WaitN)
	}
	return s.Store.Put(ctx, key, body, size, commit)
}
