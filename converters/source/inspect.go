package source

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/vision-platform/trainer-agent/converters/catalog"
	"github.com/vision-platform/trainer-agent/converters/imagefile"
	"github.com/vision-platform/trainer-agent/converters/problem"
)

// inspect looks at every file that was found. Images that cannot be used lose
// their Path.
func inspect(ctx context.Context, c *catalog.Catalog, files []File, problems *problem.List, progress func(done, total int)) error {
	return Each(ctx, len(files), progress, func(i int) error {
		if files[i].Path != "" {
			look(c.Images[i], i, &files[i], problems)
		}
		return nil
	})
}

func look(im catalog.Image, i int, f *File, problems *problem.List) {
	info, err := imagefile.Probe(f.Path)
	f.Info = info
	switch {
	case err != nil:
		problems.Add(Broken, i, "%q: %v", f.Rel, err)
		f.Path = ""
		return
	case info.Format == imagefile.Unknown:
		problems.Add(NotAnImage, i, "%q", f.Rel)
		f.Path = ""
		return
	case !info.Ends:
		if _, err := imagefile.Decode(f.Path); err != nil && !errors.Is(err, imagefile.ErrUnsupported) {
			problems.Add(Broken, i, "%q: %v", f.Rel, err)
			f.Path = ""
			return
		}
		if info.Format == imagefile.JPEG {
			problems.Add(NoEnd, i, "%q", f.Rel)
		}
	}
	if info.Orientation > 1 {
		problems.Add(Rotated, i, "%q", f.Rel)
	}
	size(im, i, f, problems)
}

// size decides between the header and the annotations: the header wins.
func size(im catalog.Image, i int, f *File, problems *problem.List) {
	if f.Width > 0 && f.Height > 0 {
		if im.Width > 0 && im.Height > 0 && (int(im.Width) != f.Width || int(im.Height) != f.Height) {
			problems.Add(SizeDiffers, i, "image %s is %dx%d, not %dx%d", im.ID, f.Width, f.Height, im.Width, im.Height)
		}
		return
	}
	problems.Add(Unverified, i, "%q", f.Rel)
	f.Width, f.Height = int(im.Width), int(im.Height)
	if f.Width <= 0 || f.Height <= 0 {
		problems.Add(NoSize, i, "image %s: %q", im.ID, f.Rel)
		f.Path = ""
	}
}

// batch is how many images a worker takes at a time.
const batch = 64

// Each calls work for 0…n−1 from several goroutines, stops at the first error
// or when ctx ends, and tells progress now and then, one call at a time.
func Each(ctx context.Context, n int, progress func(done, total int), work func(i int) error) error {
	return EachWorker(ctx, n, progress, func() func(i int) error { return work })
}

// EachWorker is Each with state: start is called once in every goroutine and
// returns the function that does its share.
func EachWorker(ctx context.Context, n int, progress func(done, total int), start func() func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var mu sync.Mutex // of done and progress
	done := 0
	var wg sync.WaitGroup
	// Opening and creating files waits for the disk, so a few more workers than
	// cores keep it busy.
	for range min(2*runtime.GOMAXPROCS(0), 16) {
		wg.Go(func() {
			work := start()
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
