package ui

import (
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// maxRows is how many uploads have a row of their own.
const maxRows = 5

// rows is what a person sees of the moment.
func (j Job) rows(v job.View) []Row {
	switch v.Phase.Name {
	case job.PhaseDownload, job.PhaseConvert, job.PhaseWeights:
		return []Row{j.transferRow(v)}
	case job.PhaseResume:
		return []Row{{Label: v.Phase.Name, Parts: []string{"looking for an earlier run of this job"}}}
	case job.PhaseRunning:
		return append([]Row{j.runningRow(v)}, j.uploadRows()...)
	case job.PhaseUploading:
		if rows := j.uploadRows(); len(rows) > 0 {
			return rows
		}
		return []Row{{Label: v.Phase.Name, Parts: []string{"looking for the last files"}}}
	case job.PhaseReporting:
		return []Row{j.reportingRow(v)}
	}
	return nil
}

func (j Job) transferRow(v job.View) Row {
	row := Row{Label: v.Phase.Name}
	t := v.Transfer
	if t == nil {
		return row
	}
	if t.Waiting {
		row.Label = "waiting"
		row.Parts = append(row.Parts, "another job fetches it into the cache")
	}
	row.Done, row.Total = t.BytesDone, t.BytesTotal
	if v.Phase.Name == job.PhaseConvert {
		row.Done, row.Total = t.FilesDone, t.FilesTotal
		if left, ok := remaining(j.Now().Sub(v.Phase.Since), t.FilesDone, t.FilesTotal); ok {
			row.Parts = append(row.Parts, Duration(left)+" left")
		}
		row.Parts = append(row.Parts, counted(t.FilesDone, t.FilesTotal, "images"))
		return row
	}
	if t.BytesPerSecond > 0 {
		row.Parts = append(row.Parts, contract.Bytes(t.BytesPerSecond)+"/s")
		if left := t.BytesTotal - t.BytesDone; left > 0 {
			row.Parts = append(row.Parts, Duration(time.Duration(left/t.BytesPerSecond)*time.Second)+" left")
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

func (j Job) runningRow(v job.View) Row {
	row := Row{Label: job.Noun(j.Type)}
	if v.Epoch > 0 && j.Epochs > 0 {
		row.Label = fmt.Sprintf("epoch %d/%d", v.Epoch, j.Epochs)
	}
	if v.PercentAt.IsZero() {
		row.Parts = []string{"for " + Duration(j.Now().Sub(v.Phase.Since).Truncate(time.Second))}
		return row
	}
	row.Done, row.Total = int64(v.Percent*100), 100*100
	if v.Newest.Epoch > 0 {
		row.Parts = append(row.Parts, fmt.Sprintf("%s %.4g", j.Metric, v.Newest.Value))
	}
	if left, ok := j.timeLeft(v); ok {
		row.Parts = append(row.Parts, Duration(left)+" left")
	}
	if v.Best.Epoch > 0 && v.Best.Epoch != v.Newest.Epoch {
		row.Parts = append(row.Parts, fmt.Sprintf("best %.4g in epoch %d", v.Best.Value, v.Best.Epoch))
	}
	return row
}

// timeLeft goes by what this run has done since it started: an earlier run's
// epochs took none of its time.
func (j Job) timeLeft(v job.View) (time.Duration, bool) {
	before := 0.0
	if j.Epochs > 0 {
		before = 100 * float64(v.Resumed) / float64(j.Epochs)
	}
	whole, ok := remaining(v.PercentAt.Sub(v.Phase.Since), int64(100*(v.Percent-before)), int64(100*(100-before)))
	left := whole - j.Now().Sub(v.PercentAt)
	return left.Round(time.Second), ok && left >= time.Second
}

func (j Job) uploadRows() (rows []Row) {
	if j.Uploads == nil {
		return nil
	}
	active, all := j.Uploads()
	for _, t := range active[:min(maxRows, len(active))] {
		row := Row{Label: "↑ " + t.What, Done: t.BytesDone, Total: t.BytesTotal, Parts: []string{contract.Bytes(t.BytesTotal)}}
		if len(rows) == 0 {
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

func (j Job) reportingRow(v job.View) Row {
	row := Row{Label: v.Phase.Name}
	if j.Pending == nil {
		return row
	}
	if n := j.Pending(); n > 0 {
		row.Parts = []string{fmt.Sprintf("%d callbacks to deliver", n)}
		if spent := j.Now().Sub(v.Phase.Since).Truncate(time.Second); spent > 0 {
			row.Parts = append(row.Parts, "for "+Duration(spent))
		}
	}
	return row
}
