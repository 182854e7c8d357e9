package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/redact"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/telemetry"
	"github.com/vision-platform/trainer-agent/agent/ui"
	"github.com/vision-platform/trainer-agent/contract"
)

// maxObjects is how many objects a card names.
const maxObjects = 12

// tell says how the job ended: a card for a person, or one line of the log.
func (j *job) tell(r contract.Result) {
	j.showing.stop()
	if j.Screen != nil {
		j.Screen.End(j.masked(j.card(r)))
		return
	}
	seconds := r.Finished.Sub(r.Started.Time).Round(time.Millisecond).Seconds()
	if r.Error != nil {
		j.log.Error("the job failed", "code", r.Error.Code, "reason", r.Error.Line(), "exit_code", r.ExitCode, "seconds", seconds)
		return
	}
	args := []any{"exit_code", r.ExitCode, "seconds", seconds}
	if best := j.progress.view().best; best.epoch > 0 {
		args = append(args, j.cfg.PrimaryMetric, best.value, "best_epoch", best.epoch)
	}
	if r.CheckpointPath != nil {
		args = append(args, "checkpoint_path", *r.CheckpointPath)
	}
	j.log.Log(context.Background(), telemetry.LevelOutcome, "the job succeeded", args...)
}

func (j *job) card(r contract.Result) ui.Card {
	c := ui.Card{
		Good: r.Error == nil && r.ExitCode == contract.ExitOK, Title: string(r.Status),
		Details: []string{j.cfg.JobID, exitText(r), ui.Duration(r.Finished.Sub(r.Started.Time))},
	}
	if r.ExitCode == contract.ExitUndelivered {
		c.Title += ", but done was not delivered"
	}
	if r.Error != nil {
		c.Title += " " + string(r.Error.Code)
		if r.Error.Code == contract.CodeStopped {
			c.Title = "stopped"
		}
		c.Sections = failureSections(r.Error)
	}
	c.Sections = append(c.Sections, ui.Section{Name: "time", Lines: oneOrNone(j.phaseTimes(r.PhaseSeconds))})
	if v := j.progress.view(); v.best.epoch > 0 {
		text := fmt.Sprintf("%s %.4g in epoch %d of %d", j.cfg.PrimaryMetric, v.best.value, v.best.epoch, j.cfg.Epochs)
		c.Sections = append(c.Sections, ui.Section{Name: "best", Lines: []string{text}})
	}
	c.Sections = append(c.Sections, ui.Section{Name: "objects", Whole: true, Lines: objectLines(r.Artifacts)})
	for _, f := range r.NotUploaded {
		c.Sections = append(c.Sections, ui.Section{Name: "missing", Loud: true, Lines: []string{f.Name + ": " + f.Reason}})
	}
	if r.NotDelivered > 0 {
		c.Sections = append(c.Sections, ui.Section{Name: "callbacks", Loud: true, Lines: []string{
			fmt.Sprintf("%d were not delivered; the lines above say how to send them", r.NotDelivered)}})
	}
	return c
}

func exitText(r contract.Result) string {
	text := fmt.Sprintf("exit code %d", r.ExitCode)
	if r.ExitCode == contract.ExitInfra || r.ExitCode == contract.ExitStopped {
		text += " (run it again)"
	}
	return text
}

func failureSections(f *contract.Failure) []ui.Section {
	const most = 8
	return []ui.Section{
		{Name: "why", Loud: true, Lines: oneOrNone(f.Message)},
		{Name: "fix", Lines: oneOrNone(f.Hint)},
		{Name: "evidence", Lines: f.Evidence[:min(most, len(f.Evidence))]},
	}
}

func oneOrNone(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// phaseTimes names the phases that took any time, in their order.
func (j *job) phaseTimes(seconds map[string]float64) string {
	names := [][2]string{
		{phaseDownload, "download"}, {phaseConvert, "convert"}, {phaseWeights, "weights"}, {phaseResume, "resume"},
		{phaseRunning, jobNoun(j.cfg.Job.Type)}, {phaseUploading, "upload"}, {phaseReporting, "report"},
	}
	var parts []string
	for _, n := range names {
		if s := seconds[n[0]]; s >= 0.05 {
			parts = append(parts, n[1]+" "+ui.Duration(time.Duration(s*float64(time.Second))))
		}
	}
	return strings.Join(parts, " · ")
}

func objectLines(all []contract.Artifact) (lines []string) {
	for _, a := range all[:min(maxObjects, len(all))] {
		lines = append(lines, fmt.Sprintf("%8s  %s", contract.Bytes(a.SizeBytes), a.Path))
	}
	if more := len(all) - maxObjects; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more; manifest.json beside them has all", more))
	}
	return lines
}

// masked takes secrets out of what others may have written into the card.
func (j *job) masked(c ui.Card) ui.Card {
	secrets := redact.New(j.cfg.Secrets())
	for i, s := range c.Sections {
		c.Sections[i].Lines = slices.Clone(s.Lines)
		for k, line := range s.Lines {
			c.Sections[i].Lines[k] = secrets.String(line)
		}
	}
	return c
}

// finishPrepare says how preparing ended, and returns the exit code.
func (j *job) finishPrepare(err error) int {
	j.showing.stop()
	if request, told := errors.AsType[process.Request](context.Cause(j.Supervisor.Stopping())); told && err != nil {
		err = contract.Failf(contract.CodeStopped, "%w.", request)
	}
	j.progress.enter(phaseReporting)
	seconds := j.progress.view().seconds
	r := contract.Result{JobID: j.cfg.JobID, Started: contract.At(j.started), Finished: contract.At(j.Now()), Error: contract.AsFailure(err)}
	if r.Error != nil {
		r.ExitCode = r.Error.ExitCode()
	}
	switch {
	case j.Screen != nil:
		j.Screen.End(j.masked(j.preparedCard(r, seconds)))
	case r.Error != nil:
		j.log.Error("preparing failed", "code", r.Error.Code, "reason", r.Error.Line(), "exit_code", r.ExitCode)
	default:
		j.log.Log(context.Background(), telemetry.LevelOutcome, "the job is prepared", "seconds", j.since(j.started), "workspace", j.ws.root)
	}
	return r.ExitCode
}

func (j *job) preparedCard(r contract.Result, seconds map[string]float64) ui.Card {
	c := ui.Card{Good: r.Error == nil, Title: "prepared", Details: []string{j.cfg.JobID, exitText(r), ui.Duration(r.Finished.Sub(r.Started.Time))}}
	if r.Error != nil {
		c.Title = "failed " + string(r.Error.Code)
		if r.Error.Code == contract.CodeStopped {
			c.Title = "stopped"
		}
		c.Sections = failureSections(r.Error)
	}
	delete(seconds, phaseReporting)
	c.Sections = append(c.Sections, ui.Section{Name: "time", Lines: oneOrNone(j.phaseTimes(seconds))})
	if p := j.prepared.converted; p != nil {
		var splits []string
		for _, s := range p.Splits {
			splits = append(splits, fmt.Sprintf("%s %d images", s.Split, s.Images))
		}
		c.Sections = append(c.Sections, ui.Section{Name: "dataset", Lines: []string{fmt.Sprintf("%s: %s", p.Format, strings.Join(splits, " · ")), p.Dir}})
	}
	return c
}
