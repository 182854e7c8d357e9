package agent

import (
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/agent/ui"
)

const (
	sayEvery   = 30 * time.Second // of a phase that takes long
	sayPercent = 10.0             // of progress
	sayAtMost  = 5 * time.Second  // between two lines of one phase
)

// teller writes the progress into the log: a line for 10 percent or 30 seconds,
// so that neither an hour nor a thousand short epochs fill it.
type teller struct {
	job     *job
	said    pace
	epochs  pace
	pending int // epoch that is still to be told
}

// pace decides when it is time for another line.
type pace struct {
	phase   string
	at      time.Time
	percent float64
}

func (p *pace) due(now time.Time, phase string, percent float64, gap time.Duration) bool {
	if p.phase != phase {
		*p = pace{phase, now, percent}
		return false
	}
	since := now.Sub(p.at)
	if since < gap || since < sayEvery && percent-p.percent < sayPercent {
		return false
	}
	p.at, p.percent = now, percent
	return true
}

func (t *teller) transfer(v view) {
	x := v.transfer
	if x == nil {
		return
	}
	done, total := x.BytesDone, x.BytesTotal
	if total == 0 {
		done, total = x.FilesDone, x.FilesTotal
	}
	percent := 100 * float64(done) / float64(max(1, total))
	now := t.job.Now()
	if !t.said.due(now, v.phase, percent, sayAtMost) {
		return
	}
	args := []any{"phase", v.phase, "percent", int(percent)}
	if x.BytesTotal > 0 {
		args = append(args, "bytes", x.BytesDone, "bytes_total", x.BytesTotal, "bytes_per_second", x.BytesPerSecond)
	}
	if x.FilesTotal > 0 {
		args = append(args, "files", x.FilesDone, "files_total", x.FilesTotal)
	}
	if left, ok := remaining(now.Sub(v.since), done, total); ok {
		args = append(args, "seconds_left", int(left.Seconds()))
	}
	if x.Waiting {
		args = append(args, "waiting", "another job fetches it into the cache")
	}
	t.job.log.Info("progress", args...)
}

// epoch tells of an epoch when its metric has come, or when it will not come any
// more because the next one has begun or the training has ended.
func (t *teller) epoch(v view, last bool) {
	if v.epoch <= v.resumed || t.job.cfg.Epochs == 0 {
		return
	}
	if t.pending == 0 && t.epochs.phase == "" {
		t.epochs = pace{phaseRunning, v.since.Add(-sayEvery), 0} // the first is news
	}
	if v.epoch == t.pending || v.valued.epoch != v.epoch && !last && v.phase == phaseRunning {
		return
	}
	t.pending = v.epoch
	now := t.job.Now()
	if percent := 100 * float64(v.epoch) / float64(t.job.cfg.Epochs); !t.epochs.due(now, phaseRunning, percent, 0) {
		return
	}
	var args []any
	if v.valued.epoch == v.epoch {
		args = append(args, t.job.cfg.PrimaryMetric, fmt.Sprintf("%.4g", v.valued.value))
	}
	if v.best.epoch > 0 {
		args = append(args, "best", fmt.Sprintf("%.4g", v.best.value), "best_epoch", v.best.epoch)
	}
	if left, ok := t.job.timeLeft(v); ok && v.phase == phaseRunning {
		args = append(args, "left", ui.Duration(left))
	}
	t.job.log.Info(fmt.Sprintf("epoch %d of %d", v.epoch, t.job.cfg.Epochs), args...)
}
