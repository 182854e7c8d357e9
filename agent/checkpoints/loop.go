package checkpoints

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Pace of the loop.
const (
	hintDelay   = 100 * time.Millisecond // events come in bursts: one look for all
	scanShare   = 20                     // a look may take at most 1/20 of the time
	backoffMin  = time.Second
	backoffMax  = time.Minute
	changesCopy = 2 // an upload given up this often works on a private copy
)

// closing is what the end of a job changes in the loop.
type closing struct {
	clean        bool // the trainer ended by itself, with status 0
	manifestOnly bool // everything else is done
}

// loop looks, plans and starts uploads until ctx ends, Finish begins, or, at the
// end of a job, everything that can be up is up.
func (w *Watcher) loop(ctx context.Context, h *hints, end *closing) {
	finish := w.finish
	if end != nil {
		finish = nil
	}
	w.nextScan = w.opt.Now()
	if end != nil && end.manifestOnly {
		w.nextScan = time.Time{}
	}
	for {
		now := w.opt.Now()
		if !w.nextScan.IsZero() && !now.Before(w.nextScan) {
			w.look(now, h, end)
			w.onLook()
		}
		w.startDue(now)
		w.publish()
		if end != nil && w.settled() {
			return
		}
		timer := time.NewTimer(w.untilNext(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-finish:
			timer.Stop()
			return
		case <-timer.C:
		case <-w.wake:
			w.replan(end)
			w.dirty = w.dirty || w.metricsMissing()
		case r := <-w.results:
			w.take(r, end)
		case e, open := <-h.events():
			if !open {
				h = &hints{}
			} else if h.matters(e) {
				w.hint(now)
			}
		case err := <-h.errors():
			if lost(err) {
				w.hint(now)
			}
		}
		timer.Stop()
	}
}

// hurry brings the next look forward.
func (w *Watcher) hurry(at time.Time) {
	if w.nextScan.IsZero() || at.Before(w.nextScan) {
		w.nextScan = at
	}
}

// hint has the next look come soon, but not so soon that looking would take
// more than its share of the time.
func (w *Watcher) hint(now time.Time) {
	at := now.Add(hintDelay)
	if at.Before(w.notBefore) {
		at = w.notBefore
	}
	w.hurry(at)
}

// untilNext is the time until something is due by itself.
func (w *Watcher) untilNext(now time.Time) time.Duration {
	next := now.Add(time.Hour)
	if !w.nextScan.IsZero() {
		next = w.nextScan
	}
	for _, t := range w.tries {
		if t.notBefore.After(now) && t.notBefore.Before(next) {
			next = t.notBefore
		}
	}
	return max(0, next.Sub(now))
}

// look scans the disk and brings the plan up to date.
func (w *Watcher) look(now time.Time, h *hints, end *closing) {
	started := time.Now()
	v, err := scan(w.opt.Dir, end != nil)
	if err != nil {
		w.warn("scan", "OUTPUT_DIR cannot be read; trying again", "dir", w.opt.Dir, "error", err)
	}
	if v.partial {
		w.warn("partial", "OUTPUT_DIR is larger than a look at it may be; some of it is not watched", "dir", w.opt.Dir)
	}
	w.remember(v)
	w.planner.meet(v)
	unseen := h.follow(v.dirs)
	w.settler.keep(v)
	accepted, again := w.accepted(v, now, end)
	share := scanShare * time.Since(started)
	w.nextScan, w.notBefore = time.Time{}, now.Add(share)
	if end == nil {
		w.nextScan = now.Add(max(w.opt.ScanInterval, share))
	}
	if again > 0 {
		w.hurry(now.Add(max(again, share)))
	}
	if unseen {
		w.hint(now)
	}
	w.abandonChanged(v)
	w.wants = w.planner.plan(accepted, w.situation())
	w.dropPartial()
}

// remember notes at the first look what lay there before this run.
func (w *Watcher) remember(v view) {
	if w.began {
		return
	}
	w.began = true
	for _, src := range v.sources {
		w.planner.before[src.rel] = src.stamp()
	}
}

// accepted are the sources that are complete, and the time until the next
// look at those that may soon be.
func (w *Watcher) accepted(v view, now time.Time, end *closing) (ok []source, again time.Duration) {
	clear(w.left)
	for _, src := range v.sources {
		var answer verdict
		if end != nil {
			answer = w.settler.acceptFinal(w.opt.Dir, src, now, end.clean)
		} else {
			answer = w.settler.accept(w.opt.Dir, src, now)
		}
		if answer.ok {
			ok = append(ok, src)
			continue
		}
		w.left[src.rel] = answer.reason
		if answer.again > 0 && (again == 0 || answer.again < again) {
			again = answer.again
		}
	}
	w.current = ok
	return ok, again
}

func (w *Watcher) situation() situation {
	w.mu.Lock()
	defer w.mu.Unlock()
	return situation{bestEpoch: w.history.best(), admitted: w.ledger.admitted()}
}

// replan takes new metrics into account without a look at the disk.
func (w *Watcher) replan(end *closing) {
	if end == nil || w.began {
		w.wants = w.planner.plan(w.current, w.situation())
	}
}

// abandonChanged stops uploads whose file has been written to meanwhile: their
// second look would refuse them anyway. A file that was replaced by another is
// still whole in our hands and may go on.
func (w *Watcher) abandonChanged(v view) {
	for _, t := range w.busy {
		if t.want.source.folder || t.own.Load() {
			continue
		}
		old := t.want.source.files[0]
		i := slices.IndexFunc(v.sources, func(s source) bool { return s.rel == old.rel && !s.folder })
		if i < 0 {
			continue
		}
		if now := v.sources[i].files[0].version; now.inode == old.version.inode && now != old.version {
			t.cancel(errChanged)
		}
	}
}

// take handles what a worker brings back.
func (w *Watcher) take(r result, end *closing) {
	switch {
	case r.loaded != nil:
		w.takeManifest(*r.loaded, r.err)
	case r.written != nil:
		w.takeWritten(*r.written, r.err)
	default:
		w.takeUpload(r)
	}
	if r.err != nil && changed(r.err) {
		w.hurry(w.opt.Now())
	}
	w.replan(end)
}

// retryAt is exponential from a second to a minute, with full jitter, so that a
// thousand jobs do not come back to a mended store at once.
func retryAt(now time.Time, failures int) time.Time {
	limit := min(backoffMax, backoffMin<<min(failures-1, 10))
	return now.Add(backoffMin/4 + rand.N(limit))
}

// publish shows the state to Progress.
func (w *Watcher) publish() {
	var p progress
	for _, want := range w.wants {
		if w.satisfied(want) || w.busy[want.name] != nil {
			continue
		}
		p.queued++
		p.queuedBytes += want.source.size
	}
	for _, t := range w.busy {
		p.active = append(p.active, t.meter)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p.doneBytes, p.doneFiles, p.failures = w.state.doneBytes, w.state.doneFiles, w.state.failures
	p.last, p.lag = w.state.last, w.state.lag
	w.state = p
}

func (w *Watcher) warn(kind, message string, args ...any) {
	if !w.warned[kind] {
		w.warned[kind] = true
		w.opt.Log.Warn(message, args...)
	}
}

func (w *Watcher) event(kind contract.EventType, message string, data any) {
	w.opt.OnEvent(kind, message, data)
}
