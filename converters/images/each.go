package images

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/vision-platform/trainer-agent/converters/crew"
)

// batch is how many images a worker takes at a time.
const batch = 64

// workers is how many goroutines look at files. Opening one waits for the disk,
// so a few more than cores keep it busy.
func workers() int { return min(2*runtime.GOMAXPROCS(0), 16) }

// Each calls work for 0…total−1 from several goroutines, stops at the first error
// or when ctx ends, and tells progress now and then, one call at a time.
func Each(ctx context.Context, total int, progress func(done, total int), work func(i int) error) error {
	group, running := crew.WithContext(ctx)
	var next atomic.Int64
	var mu sync.Mutex // of done and progress
	done := 0
	tell := func(n int) {
		mu.Lock()
		defer mu.Unlock() // a progress that panics leaves the others no lock to wait for
		done += n
		progress(done, total)
	}
	for range workers() {
		group.Go(func() error {
			for running.Err() == nil {
				from := int(next.Add(batch)) - batch
				if from >= total {
					return nil
				}
				to := min(from+batch, total)
				for i := from; i < to; i++ {
					if err := work(i); err != nil {
						return err
					}
				}
				if progress != nil {
					tell(to - from)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}
