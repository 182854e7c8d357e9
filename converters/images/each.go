package images

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// batch is how many images a worker takes at a time.
const batch = 64

// workers is how many goroutines look at files. Opening one waits for the disk,
// so a few more than cores keep it busy.
func workers() int { return min(2*runtime.GOMAXPROCS(0), 16) }

// Each calls work for 0…n−1 from several goroutines, stops at the first error
// or when ctx ends, and tells progress now and then, one call at a time.
func Each(ctx context.Context, n int, progress func(done, total int), work func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var mu sync.Mutex // of done and progress
	done := 0
	var wg sync.WaitGroup
	for range workers() {
		wg.Go(func() {
			for ctx.Err() == nil {
				from := int(next.Add(batch)) - batch
				if from >= n {
					return
				}
				to := min(from+batch, n)
				for i := from; i < to; i++ {
					if err := work(i); err != nil {
						cancel(err)
						return
					}
				}
				if progress != nil {
					mu.Lock()
					done += to - from
					progress(done, n)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
