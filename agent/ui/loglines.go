package ui

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
)

const (
	sayEvery   = 30 * time.Second // of a phase that takes long
	sayPercent = 10.0             // of progress
	sayAtMost  = 5 * time.Second  // between two lines of one phase
)

// logLines writes the progress into the log: a line for 10 percent or 30 seconds,
// so that neither an hour nor a thousand short epochs fill it.
type logLines struct {
	job     Job
	log     *slog.Logger
	said    pace
	epochs  pace
	pending int // epoch that is in line
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

func (t *logLines) transfer(v job.View) {
	x := v.Transfer
	if x == nil {
		return
	}
	done, total := x.BytesDone, x.BytesTotal
	if total == 0 {
		done, total = x.FilesDone, x.FilesTotal
	}
	percent := 100 * float64(done) / float64(max(1, total))
	now := t.job.Now()
	if !t.said.due(now, v.Phase.Name, percent, sayAtMost) {
		return
	}
	args := []any{"phase", v.Phase.Name, "percent", int(percent)}
	if x.BytesTotal > 0 {
		args = append(args, "bytes", x.BytesDone, "bytes_total", x.BytesTotal, "bytes_per_second", x.BytesPerSecond)
	}
	if x.FilesTotal > 0 {
		args = append(args, "files", x.FilesDone, "files_total", x.FilesTotal)
	}
	if left, ok := remaining(now.Sub(v.Phase.Since), done, total); ok {
		args = append(args, "seconds_left", int(left.Seconds()))
	}
	if x.Waiting {
		args = append(args, "waiting", "another job fetches it into the cache")
	}
	t.log.Info("progress", args...)
}

// epoch tells of an epoch when its metric has come, or when it will not come any
// more because the next one has begun or the training has ended.
func (t *logLines) epoch(v job.View, last bool) {
	if v.Epoch <= v.Resumed || t.job.Epochs == 0 {
		return
	}
	if t.pending == 0 && t.epochs.phase == "" {
		t.epochs = pace{job.PhaseRunning, v.Phase.Since.Add(-sayEvery), 0} // the first is news
	}
	if v.Epoch == t.pending || v.Newest.Epoch != v.Epoch && !last && v.Phase.Name == job.PhaseRunning {
		return
	}
	t.pending = v.Epoch
	now := t.job.Now()
	if percent := 100 * float64(v.Epoch) / float64(t.job.Epochs); !t.epochs.due(now, job.PhaseRunning, percent, 0) {
		return
	}
	var args []any
	if v.Newest.Epoch == v.Epoch {
		args = append(args, t.job.Metric, fmt.Sprintf("%.4g", v.Newest.Value))
	}
	if v.Best.Epoch > 0 {
		args = append(args, "best", fmt.Sprintf("%.4g", v.Best.Value), "best_epoch", v.Best.Epoch)
	}
	if left, ok := t.job.timeLeft(v); ok && v.Phase.Name == job.PhaseRunning {
		args = append(args, "left", Duration(left))
	}
	t.log.Info(fmt.Sprintf("epoch %d of %d", v.Epoch, t.job.Epochs), args...)
}
