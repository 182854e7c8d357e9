package checkpoints

import (
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
)

// Pace of the looks at OUTPUT_DIR.
const (
	hintDelay = 100 * time.Millisecond // events come in bursts: one look for all
	scanShare = 20                     // a look may take at most 1/20 of the time
)

// lookout says when to look at OUTPUT_DIR next: after a while, when something there
// has changed, or when a file may be complete.
type lookout struct {
	hints     *scan.Hints
	interval  time.Duration
	next      time.Time // zero: not by itself
	notBefore time.Time // of the next look that a hint asks for
}

func (l *lookout) due(now time.Time) bool { return !l.next.IsZero() && !now.Before(l.next) }

// hurry brings the next look forward.
func (l *lookout) hurry(at time.Time) {
	if l.next.IsZero() || at.Before(l.next) {
		l.next = at
	}
}

// hint has the next look come soon, but not so soon that looking would take
// more than its share of the time.
func (l *lookout) hint(now time.Time) {
	at := now.Add(hintDelay)
	if at.Before(l.notBefore) {
		at = l.notBefore
	}
	l.hurry(at)
}

// event takes what inotify says; open is false when it says nothing any more.
func (l *lookout) event(e fsnotify.Event, open bool, now time.Time) {
	if !open {
		l.hints = &scan.Hints{}
	} else if l.hints.Matters(e) {
		l.hint(now)
	}
}

// lost takes an error of inotify: events were dropped, so a look has to tell.
func (l *lookout) lost(err error, now time.Time) {
	if scan.Lost(err) {
		l.hint(now)
	}
}

// looked sets the next look after one that took some time. again is when a file may
// be complete, 0 for never; ended says that the trainer is gone.
func (l *lookout) looked(v scan.View, now time.Time, took, again time.Duration, ended bool) {
	unseen := l.hints.Follow(v.Dirs)
	share := scanShare * took
	l.next, l.notBefore = time.Time{}, now.Add(share)
	if !ended {
		l.next = now.Add(max(l.interval, share))
	}
	if again > 0 {
		l.hurry(now.Add(max(again, share)))
	}
	if unseen {
		l.hint(now)
	}
}

// watch begins to listen; without inotify it says why it only looks.
func (l *lookout) watch(dir string) error {
	hints, err := scan.NewHints(dir)
	l.hints = hints
	return err
}

func (l *lookout) close() {
	l.hints.Close()
	l.hints = &scan.Hints{}
}
