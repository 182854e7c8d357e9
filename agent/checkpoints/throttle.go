package checkpoints

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

// throttle limits how fast all uploads together read, and so send.
type throttle struct{ limiter *rate.Limiter }

// maxBurst is the most that one read may take from the budget at once.
const maxBurst = 256 << 10

// newThrottle makes a throttle of n bytes a second, or none for n ≤ 0.
func newThrottle(n int64) throttle {
	if n <= 0 {
		return throttle{}
	}
	return throttle{rate.NewLimiter(rate.Limit(n), int(min(n, maxBurst)))}
}

func (t throttle) wait(ctx context.Context, n int) error {
	if t.limiter == nil {
		return ctx.Err()
	}
	return t.limiter.WaitN(ctx, n)
}

func (t throttle) chunk() int {
	if t.limiter == nil {
		return 4 << 20
	}
	return t.limiter.Burst()
}

// meteredReader is the body of one upload: bounded in speed, counted, and dead
// once its context is, so that an upload which is given up stops reading. It is
// safe for concurrent reads.
type meteredReader struct {
	ctx      context.Context
	r        io.ReaderAt
	throttle throttle
	count    func(n int)
}

func (m *meteredReader) ReadAt(b []byte, at int64) (int, error) {
	read := 0
	for read < len(b) {
		n := min(len(b)-read, m.throttle.chunk())
		if err := m.throttle.wait(m.ctx, n); err != nil {
			return read, err
		}
		n, err := m.r.ReadAt(b[read:read+n], at+int64(read))
		read += n
		m.count(n)
		if err != nil {
			return read, err
		}
	}
	return read, nil
}
