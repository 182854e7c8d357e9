package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/agent/ui"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	showEvery = 200 * time.Millisecond // rows on a terminal
	lookEvery = time.Second            // progress in the log
	maxRows   = 5                      // uploads that have a row of their own
)

// show tells how far the job is until it ends: rows on a person's terminal, and
// in the log a line now and then.
func (j *job) show(ctx context.Context) {
	if j.Quiet {
		return
	}
	every := lookEvery
	if j.Screen.HasRows() {
		every = showEvery
	}
	j.showing = start(context.WithoutCancel(ctx), func(ctx context.Context) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		t := &teller{job: j}
		for {
			select {
			case <-ctx.Done():
				t.epoch(j.progress.view(), true)
				return
			case <-tick.C:
			}
			v := j.progress.view()
			t.epoch(v, false)
			if !j.Screen.HasRows() {
				t.transfer(v)
				continue
			}
			j.Screen.Show(j.rows(v)...)
		}
	})
}

// rows is what a person sees of the moment.
func (j *job) rows(v view) []ui.Row {
	switch v.phase {
	case phaseDownload, phaseConvert, phaseWeights:
		return []ui.Row{j.transferRow(v)}
	case phaseResume:
		return []ui.Row{{Label: v.phase, Parts: []string{"looking for an earlier run of this job"}}}
	case phaseRunning:
		return append([]ui.Row{j.runningRow(v)}, j.uploadRows()...)
	case phaseUploading:
		if rows := j.uploadRows(); len(rows) > 0 {
			return rows
		}
		return []ui.Row{{Label: v.phase, Parts: []string{"looking for the last files"}}}
	case phaseReporting:
		return []ui.Row{j.reportingRow(v)}
	}
	return nil
}

func (j *job) transferRow(v view) ui.Row {
	row := ui.Row{Label: v.phase}
	t := v.transfer
	if t == nil {
		return row
	}
	if t.Waiting {
		row.Label = "waiting"
		row.Parts = append(row.Parts, "another job fetches it into the cache")
	}
	row.Done, row.Total = t.BytesDone, t.BytesTotal
	if v.phase == phaseConvert {
		row.Done, row.Total = t.FilesDone, t.FilesTotal
		if left, ok := remaining(j.Now().Sub(v.since), t.FilesDone, t.FilesTotal); ok {
			row.Parts = append(row.Parts, ui.Duration(left)+" left")
		}
		row.Parts = append(row.Parts, counted(t.FilesDone, t.FilesTotal, "images"))
		return row
	}
	if t.BytesPerSecond > 0 {
		row.Parts = append(row.Parts, contract.Bytes(t.BytesPerSecond)+"/s")
		if left := t.BytesTotal - t.BytesDone; left > 0 {
			row.Parts = append(row.Parts, ui.Duration(time.Duration(left/t.BytesPerSecond)*time.Second)+" left")
		}
	}
	if t.BytesTotal > 0 {
		row.Parts = append(row.Parts, contract.Bytes(t.BytesDone)+" of "+contract.Bytes(t.BytesTotal))
	}
	if t.FilesTotal > 1 {
		row.Parts = append(row.Parts, counted(t.FilesDone, t.FilesTotal, "files"))
	}
	return row
}

func counted(done, total int64, what string) string {
	return fmt.Sprintf("%d of %d %s", done, total, what)
}

// remaining guesses how long the rest takes at the pace so far.
func remaining(spent time.Duration, done, total int64) (time.Duration, bool) {
	if done <= 0 || total <= 0 || spent < time.Second {
		return 0, false
	}
	return time.Duration(float64(spent) * float64(max(0, total-done)) / float64(done)), true
}

func (j *job) runningRow(v view) ui.Row {
	row := ui.Row{Label: jobNoun(j.cfg.Job.Type)}
	if v.epoch > 0 && j.cfg.Epochs > 0 {
		row.Label = fmt.Sprintf("epoch %d/%d", v.epoch, j.cfg.Epochs)
	}
	if v.beat.IsZero() {
		row.Parts = []string{"for " + ui.Duration(j.Now().Sub(v.since).Truncate(time.Second))}
		return row
	}
	row.Done, row.Total = int64(v.percent*100), 100*100
	if v.valued.epoch > 0 {
		row.Parts = append(row.Parts, fmt.Sprintf("%s %.4g", j.cfg.PrimaryMetric, v.valued.value))
	}
	if left, ok := j.timeLeft(v); ok {
		row.Parts = append(row.Parts, ui.Duration(left)+" left")
	}
	if v.best.epoch > 0 && v.best.epoch != v.valued.epoch {
		row.Parts = append(row.Parts, fmt.Sprintf("best %.4g in epoch %d", v.best.value, v.best.epoch))
	}
	return row
}

// timeLeft goes by what this run has done since it started: an earlier run's
// epochs took none of its time.
func (j *job) timeLeft(v view) (time.Duration, bool) {
	before := 0.0
	if j.cfg.Epochs > 0 {
		before = 100 * float64(v.resumed) / float64(j.cfg.Epochs)
	}
	whole, ok := remaining(v.beat.Sub(v.since), int64(100*(v.percent-before)), int64(100*(100-before)))
	left := whole - j.Now().Sub(v.beat)
	return left.Round(time.Second), ok && left >= time.Second
}

func (j *job) uploadRows() (rows []ui.Row) {
	w := j.watcher.Load()
	if w == nil {
		return nil
	}
	active := w.Uploads()
	for _, t := range active[:min(maxRows, len(active))] {
		row := ui.Row{Label: "↑ " + t.What, Done: t.BytesDone, Total: t.BytesTotal, Parts: []string{contract.Bytes(t.BytesTotal)}}
		if len(rows) == 0 {
			all := w.Progress()
			if all.BytesPerSecond > 0 {
				row.Parts = append(row.Parts, contract.Bytes(all.BytesPerSecond)+"/s")
			}
			if all.Queued > 0 {
				row.Parts = append(row.Parts, fmt.Sprintf("%d more wait", all.Queued))
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func (j *job) reportingRow(v view) ui.Row {
	row := ui.Row{Label: v.phase}
	if j.outbox == nil {
		return row
	}
	if n := j.outbox.Pending().Depth; n > 0 {
		row.Parts = []string{fmt.Sprintf("%d callbacks to deliver", n)}
		if spent := j.Now().Sub(v.since).Truncate(time.Second); spent > 0 {
			row.Parts = append(row.Parts, "for "+ui.Duration(spent))
		}
	}
	return row
}
