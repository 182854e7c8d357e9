package checkpoints

import (
	"context"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/upload"
	"github.com/vision-platform/trainer-agent/contract"
)

// manifestName is what the manifest is called beside the names of checkpoints.
const manifestName = "manifest.json"

// loop owns everything that is known of the disk and the bucket. One goroutine runs
// it at a time; workers hand what they bring back to results.
type loop struct {
	opt     Options
	lookout *lookout // when to look
	fleet   *fleet   // what lies on disk
	planner *planner
	wants   []want   // what should be in the bucket
	pool    *pool    // what is on its way there
	keeper  *keeper  // what is there
	epochs  *epochs  // what was reported
	board   *board   // what is seen from outside
	reports *reports // what is said of it
	results chan func()
	end     *ending // of the trainer; nil while it lives
}

// ending is the end of the trainer and what follows.
type ending struct {
	FinishOptions
	planned bool // only the manifest is still to be written
}

func (e *ending) how() *FinishOptions {
	if e == nil {
		return nil
	}
	return &e.FinishOptions
}

// run looks, plans and starts uploads until ctx or stop ends or, at the end of a job,
// everything that can be up is up.
func (l *loop) run(ctx context.Context, stop <-chan struct{}, onLook func()) {
	for {
		now := l.opt.Now()
		if l.lookout.due(now) {
			l.look(now)
			onLook()
		}
		l.start(now)
		l.publish()
		if l.end != nil && l.settled() {
			return
		}
		timer := time.NewTimer(l.untilNext(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-stop:
			timer.Stop()
			return
		case <-timer.C:
		case <-l.epochs.news:
			l.learn()
		case result := <-l.results:
			result()
			l.plan()
		case e, open := <-l.lookout.hints.Events():
			l.lookout.event(e, open, now)
		case err := <-l.lookout.hints.Errors():
			l.lookout.lost(err, now)
		}
		timer.Stop()
	}
}

// untilNext is the time until something is due by itself.
func (l *loop) untilNext(now time.Time) time.Duration {
	next := now.Add(time.Hour)
	for _, at := range []time.Time{l.lookout.next, l.pool.next(now), l.keeper.retry.notBefore} {
		if at.After(now) && at.Before(next) {
			next = at
		}
	}
	if l.lookout.due(now) {
		return 0
	}
	return next.Sub(now)
}

// look scans the disk, moves every checkpoint on and brings the plan up to date.
func (l *loop) look(now time.Time) {
	started := time.Now()
	v, err := scan.Look(l.opt.Dir, l.end != nil)
	if err != nil {
		l.reports.warn("scan", "OUTPUT_DIR cannot be read; trying again", "dir", l.opt.Dir, "error", err)
	}
	if v.Partial {
		l.reports.warn("partial", "OUTPUT_DIR is larger than a look at it may be; some of it is not watched", "dir", l.opt.Dir)
	}
	l.fleet.meet(v, now)
	l.planner.meet(l.fleet.sorted())
	for _, fault := range v.Faults {
		l.reports.fault(fault)
	}
	examine := func(s scan.Source) scan.Findings {
		found := scan.Examine(l.opt.Dir, s)
		if found.Fault != nil {
			l.reports.fault(*found.Fault)
		}
		return found
	}
	again := l.fleet.inspect(examine, l.opt.Settle, now, l.end.how())
	l.lookout.looked(v, now, time.Since(started), again, l.end != nil)
	l.plan()
}

// plan tells every checkpoint where it belongs. After the end's look at the outputs
// nothing is planned any more.
func (l *loop) plan() {
	if l.end != nil && (l.end.planned || !l.fleet.looked) {
		return
	}
	l.wants = l.planner.plan(l.fleet.complete(), situation{bestEpoch: l.epochs.best(), admitted: l.keeper.ledger.Admitted()})
	places := map[*checkpoint][]place{}
	for _, w := range l.wants {
		if w.c.src.Folder && !w.alias { // last and best are copied from it
			places[w.c] = slices.Insert(places[w.c], 0, w.place)
		} else {
			places[w.c] = append(places[w.c], w.place)
		}
	}
	for _, c := range l.fleet.at {
		c.assign(places[c], l.holds(c))
	}
	l.dropPartial()
}

// holds answers for a checkpoint whether a place has it. What the store will refuse
// for ever counts so at the end of a job, so that the next place has its turn.
func (l *loop) holds(c *checkpoint) func(place) bool {
	return func(p place) bool {
		return l.keeper.holds(c.stamp, p) || l.end != nil && l.pool.retries[p.name].hopeless()
	}
}

// start starts what may start now: the manifest of an earlier run first, then
// uploads by urgency, and the manifest whenever the ledger has moved on.
func (l *loop) start(now time.Time) {
	l.keeper.load(now, func(m contract.Manifest, err error) {
		l.results <- func() { l.takeManifest(m, err) }
	})
	if !l.keeper.loaded {
		return
	}
	for _, w := range l.wants {
		if w.c.state != complete && w.c.state != failed {
			continue
		}
		if to := w.c.next(l.holds(w.c)); to != nil && l.pool.may(w.c, *to, l.keeper.ledger, now) {
			l.pool.start(w.c, *to, l.keeper.ledger, func(f *flight, files []contract.ManifestFile, err error) {
				l.results <- func() { l.takeUpload(f, files, err) }
			})
		}
	}
	err := l.keeper.write(now, l.opt.History, func(named int, deleted []string, err error) {
		l.results <- func() { l.takeWritten(named, deleted, err) }
	})
	if err != nil {
		l.manifestFailed(err)
	}
}

// publish shows the state outside.
func (l *loop) publish() {
	queued, bytes := 0, int64(0)
	for _, w := range l.wants {
		if !l.keeper.holds(w.c.stamp, w.place) && !l.pool.busy(w.name) {
			queued++
			bytes += w.c.src.Size
		}
	}
	active := make([]*upload.Meter, 0, len(l.pool.flights))
	for _, f := range l.pool.flights {
		active = append(active, f.task.Meter)
	}
	l.board.publish(queued, bytes, active)
}

// wanted reports whether a name should be in the bucket.
func wanted(wants []want, name string) bool {
	return slices.ContainsFunc(wants, func(w want) bool { return w.name == name })
}

// dropPartial gives up the folders that are not wanted any more, such as one
// that the Trainer rotated away while it was uploaded: what is up of them goes.
func (l *loop) dropPartial() {
	for name, r := range l.pool.retries {
		if len(r.partial) == 0 || l.pool.busy(name) || wanted(l.wants, name) {
			continue
		}
		held := map[string]bool{}
		if e := l.keeper.ledger.Entries[name]; e != nil {
			for _, f := range e.Files {
				held[f.Name] = true
			}
		}
		for file := range r.partial {
			if !held[file] {
				l.keeper.forget(file)
			}
		}
		delete(l.pool.retries, name)
	}
}

// settled reports whether nothing is left to wait for at the end of a job.
func (l *loop) settled() bool {
	if len(l.pool.flights) > 0 || l.keeper.loading || l.keeper.writing || !l.lookout.next.IsZero() {
		return false
	}
	if !l.keeper.loaded {
		return l.keeper.retry.hopeless()
	}
	for _, w := range l.wants {
		if !l.holds(w.c)(w.place) {
			return false
		}
	}
	return !l.keeper.dirty || l.keeper.retry.hopeless()
}
