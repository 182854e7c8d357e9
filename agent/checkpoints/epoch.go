package checkpoints

import (
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/format"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/manifest"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
	"github.com/vision-platform/trainer-agent/contract"
)

// epochs decides which epoch a file holds that does not say so itself: from the time
// of its last byte against the times of the heartbeats and validations.
type epochs struct {
	history History
	began   time.Time // of this watch
	total   int       // epochs of the whole training; 0 = not known
	now     func() time.Time
	news    chan struct{} // something was reported

	mu     sync.Mutex
	newest int           // the epoch of the latest report; 0 before the first of this run
	last   time.Time     // of that report
	gap    time.Duration // from the last report of the epoch before to its first one
}

// observe takes a message that the history has taken.
func (e *epochs) observe(m contract.Message) {
	switch p := m.Decoded().(type) {
	case contract.Heartbeat:
		e.report(p.Epoch)
	case contract.Validation:
		e.report(p.Epoch)
	default:
		return
	}
	select {
	case e.news <- struct{}{}:
	default:
	}
}

func (e *epochs) report(epoch int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	if epoch > e.newest {
		before := e.last
		if before.IsZero() {
			before = e.began
		}
		e.newest, e.gap = epoch, now.Sub(before)
	}
	e.last = now
}

// leastGap is how long after a report a file still belongs to it, however short the
// epochs are.
const leastGap = time.Second

// at is the epoch of a file whose last byte was written at t; 0 is not known yet. Of
// the epochs that were reported it is the nearest. While no report has come after the
// file, it may also belong to the next one (a trainer may save first and report then):
// it does when the next report is nearer than the last, if the epochs go on as they did.
// over says that no report will come.
func (e *epochs) at(t time.Time, over bool) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.newest == 0 && t.After(e.began) && !over {
		return 0 // of this run, and nothing was reported in it
	}
	epoch, _, ok := e.history.EpochAt(t)
	if !ok {
		return 0
	}
	next := epoch == e.newest && !over && t.Sub(e.last) > max(e.gap/2, leastGap)
	if next && (e.total == 0 || epoch < e.total) {
		return epoch + 1
	}
	return epoch
}

// decide finds which epoch a checkpoint holds when its first upload is done: from its
// name, from what is inside, from an equal object, and else from its time.
func (e *epochs) decide(src scan.Source, files []contract.ManifestFile, l *manifest.Ledger, before *manifest.Entry, over bool) int {
	if src.Role == naming.Epoch || src.Role == naming.Result {
		return src.Epoch
	}
	inside := files[0].Epoch
	if inside > 0 {
		return inside
	}
	if src.Role != naming.Best && src.Role != naming.Last {
		return 0
	}
	if inside == format.Stripped {
		return e.stripped(src.Role, l, before)
	}
	if epoch := l.EpochOfContent(files); epoch > 0 {
		return epoch
	}
	return e.at(src.Written(), over)
}

// stripped is the epoch of a model that was made from a file of its name by dropping
// the optimiser, and its epoch with that: of the one that is up, or of a later one that
// nobody saw in between, as the reports say.
func (e *epochs) stripped(r naming.Role, l *manifest.Ledger, before *manifest.Entry) int {
	known := 0
	if before != nil {
		known = before.Epoch()
	}
	if r == naming.Best {
		return max(known, e.best())
	}
	if all := e.history.History(); len(all) > 0 {
		known = max(known, all[len(all)-1].Epoch)
	}
	for _, n := range l.Admitted() {
		known = max(known, n)
	}
	return known
}

// best is the epoch with the best primary metric, 0 without one.
func (e *epochs) best() int {
	best, _ := e.history.Best()
	return best.Epoch
}
