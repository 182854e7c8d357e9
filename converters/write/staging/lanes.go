package staging

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/vision-platform/trainer-agent/converters/crew"
)

// Lane is the files that go into one folder. The kernel lets one at a time
// create a file in a folder, so workers spread over lanes and share one only
// when none is left to begin.
type Lane struct {
	Folder string // of the tree
	Items  []int32
	Weight int // what an item costs, beside those of other lanes

	next    int // index of the first item that nobody has
	workers int
}

func (l *Lane) left() int { return (len(l.Items) - l.next) * l.Weight }

// share is what one more worker would have to do.
func (l *Lane) share() int { return l.left() / (l.workers + 1) }

// laneBatch is how many items a worker takes at a time.
const laneBatch = 128

// laneWorkers is how many workers a lane has at most: creating a file takes most
// of the time of one, and a third would only wait for the folder.
const laneWorkers = 2

// workers is how many goroutines create files.
func workers() int { return max(2, runtime.GOMAXPROCS(0)) }

// Work calls do for every item of every lane, from several goroutines, with the
// lane's folder. Start is called once in every goroutine
// and returns its do. Work stops at the first error, and when ctx ends. Progress
// is told the items done, one call at a time; it may be nil.
func (d *Dir) Work(ctx context.Context, lanes []Lane, progress func(done, total int), start func() func(l *Lane, f *Folder, item int32) error) error {
	group, running := crew.WithContext(ctx)
	s := newSchedule(lanes, progress)
	for range workers() {
		group.Go(func() error {
			do := start()
			for l := s.enter(); l != nil; l = s.enter() {
				if err := d.lane(running, s, l, do); err != nil {
					return err
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

// lane works on one lane until it has no item left.
func (d *Dir) lane(ctx context.Context, s *schedule, l *Lane, do func(l *Lane, f *Folder, item int32) error) error {
	defer s.leave(l)
	f, err := d.Open(l.Folder)
	if err != nil {
		return err
	}
	defer f.Close()
	for items := s.take(l); len(items) > 0; items = s.take(l) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for _, item := range items {
			if err := do(l, f, item); err != nil {
				return err
			}
		}
		s.report(len(items))
	}
	return nil
}

// schedule hands out lanes and their items.
type schedule struct {
	mu       sync.Mutex
	waiting  []*Lane // that nobody began, the largest last
	begun    []*Lane // that have a worker
	done     int
	total    int
	progress func(done, total int)
}

func newSchedule(lanes []Lane, progress func(done, total int)) *schedule {
	s := &schedule{progress: progress}
	for i := range lanes {
		s.waiting = append(s.waiting, &lanes[i])
		s.total += len(lanes[i].Items)
	}
	slices.SortStableFunc(s.waiting, func(a, b *Lane) int { return cmp.Compare(a.left(), b.left()) })
	return s
}

// enter gives a worker a lane: the largest that nobody began, else the one with
// the most left for each of its workers; nil when there is nothing to help with.
func (s *schedule) enter() *Lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	var l *Lane
	if n := len(s.waiting); n > 0 {
		l, s.waiting = s.waiting[n-1], s.waiting[:n-1]
		s.begun = append(s.begun, l)
	} else {
		for _, b := range s.begun {
			if b.workers < laneWorkers && b.left() > 0 && (l == nil || b.share() > l.share()) {
				l = b
			}
		}
	}
	if l != nil {
		l.workers++
	}
	return l
}

func (s *schedule) take(l *Lane) []int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := l.next
	l.next = min(from+laneBatch, len(l.Items))
	return l.Items[from:l.next]
}

func (s *schedule) leave(l *Lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.workers--; l.workers == 0 {
		s.begun = slices.DeleteFunc(s.begun, func(b *Lane) bool { return b == l })
	}
}

func (s *schedule) report(n int) {
	if s.progress == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done += n
	s.progress(s.done, s.total)
}
