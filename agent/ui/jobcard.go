package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// maxObjects is how many objects a card names.
const maxObjects = 12

// Card tells how a job ended. replay is the command that delivers what could not be
// delivered, "" when there is none.
func (j Job) Card(r contract.Result, replay string) Card {
	c := Card{
		Good: r.Error == nil && r.ExitCode == contract.ExitOK, Title: string(r.Status),
		Details: []string{j.ID, exitText(r), Duration(r.Finished.Sub(r.Started.Time))},
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
	c.Sections = append(c.Sections, Section{Name: "time", Lines: oneOrNone(j.phaseTimes(r.PhaseSeconds))})
	c.Sections = append(c.Sections, Section{Name: "start", Lines: j.Tracker.View().Start})
	if best, ok := j.Tracker.Best(); ok {
		text := fmt.Sprintf("%s %.4g in epoch %d of %d", j.Metric, best.Value, best.Epoch, j.Epochs)
		c.Sections = append(c.Sections, Section{Name: "best", Lines: []string{text}})
	}
	c.Sections = append(c.Sections, Section{Name: "objects", Whole: true, Lines: objectLines(r.Artifacts)})
	for _, f := range r.NotUploaded {
		c.Sections = append(c.Sections, Section{Name: "missing", Loud: true, Lines: []string{f.Name + ": " + f.Reason}})
	}
	if text, meant := j.endedEarly(r); text != "" {
		c.Sections = append(c.Sections, Section{Name: "epochs", Loud: !meant, Lines: []string{text}})
	}
	if r.NotDelivered > 0 || r.ExitCode == contract.ExitUndelivered {
		lines := []string{"done was not delivered, the backend does not know how the job ended"}
		if r.ExitCode != contract.ExitUndelivered {
			lines = []string{fmt.Sprintf("%d were not delivered", r.NotDelivered)}
		}
		if replay != "" {
			lines = append(lines, "deliver with: "+replay)
		}
		c.Sections = append(c.Sections, Section{Name: "callbacks", Loud: true, Lines: lines})
	}
	return c
}

// endedEarly is what a success should still say of its epochs; meant: the trainer ended before the others on purpose.
func (j Job) endedEarly(r contract.Result) (text string, meant bool) {
	v := j.Tracker.View()
	if r.Error != nil || j.Type != contract.JobTraining || v.Epoch < 1 || v.Epoch >= j.Epochs {
		return "", false
	}
	if v.Early != "" {
		return v.Early, true
	}
	return fmt.Sprintf("%d of %d: the script left with 0 before it had trained all of them", v.Epoch, j.Epochs), false
}

func exitText(r contract.Result) string {
	text := fmt.Sprintf("exit code %d", r.ExitCode)
	if r.ExitCode == contract.ExitInfra || r.ExitCode == contract.ExitStopped {
		text += " (run it again)"
	}
	return text
}

func failureSections(f *contract.Failure) []Section {
	const most = 8
	return []Section{
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
func (j Job) phaseTimes(seconds map[string]float64) string {
	names := [][2]string{
		{job.PhaseDownload, "download"}, {job.PhaseConvert, "convert"}, {job.PhaseWeights, "weights"}, {job.PhaseResume, "resume"},
		{job.PhaseRunning, job.Noun(j.Type)}, {job.PhaseUploading, "upload"}, {job.PhaseReporting, "report"},
	}
	var parts []string
	for _, n := range names {
		if s := seconds[n[0]]; s >= 0.05 {
			parts = append(parts, n[1]+" "+Duration(time.Duration(s*float64(time.Second))))
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

// PreparedCard tells how preparing a job ended, and what the dataset became; nil
// without one.
func (j Job) PreparedCard(r contract.Result, p *converters.Prepared) Card {
	c := Card{Good: r.Error == nil, Title: "prepared", Details: []string{j.ID, exitText(r), Duration(r.Finished.Sub(r.Started.Time))}}
	if r.Error != nil {
		c.Title = "failed " + string(r.Error.Code)
		if r.Error.Code == contract.CodeStopped {
			c.Title = "stopped"
		}
		c.Sections = failureSections(r.Error)
	}
	seconds := r.PhaseSeconds
	delete(seconds, job.PhaseReporting)
	c.Sections = append(c.Sections, Section{Name: "time", Lines: oneOrNone(j.phaseTimes(seconds))})
	if p != nil {
		var splits []string
		for _, s := range p.Splits {
			splits = append(splits, fmt.Sprintf("%s %d images", s.Split, s.Images))
		}
		c.Sections = append(c.Sections, Section{Name: "dataset", Lines: []string{fmt.Sprintf("%s: %s", p.Format, strings.Join(splits, " · ")), p.Dir}})
	}
	return c
}
