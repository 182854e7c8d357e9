package storage

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

// burst is how much may pass at once under a bandwidth cap, in bytes.
const burst = 256 << 10

func newLimiter(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), burst)
}

// pace waits until n ≤ burst bytes may pass. The bytes were moved already: over
// any stretch of time the average holds, which is all that a cap means.
func pace(ctx context.Context, l *rate.Limiter, n int) error {
	if l == nil || n <= 0 {
		return nil
	}
	return l.WaitN(ctx, n)
}

// pacedSeeker is a request body under a cap. It stays seekable, because the SDK
// rewinds a body to send it again.
type pacedSeeker struct {
	ctx context.Context
	io.ReadSeeker
	limiter *rate.Limiter
}

func (p *pacedSeeker) Read(b []byte) (int, error) {
	if len(b) > burst {
		b = b[:burst]
	}
	n, err := p.ReadSeeker.Read(b)
	if waitErr := pace(p.ctx, p.limiter, n); waitErr != nil {
		return n, waitErr
	}
	return n, err
}
