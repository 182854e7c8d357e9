package job

import (
	"maps"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Phases of a job, as heartbeats, metrics and result.json name them.
const (
	PhaseStarting  = "starting"
	PhaseGathering = "waiting_for_nodes"
	PhaseDownload  = "downloading"
	PhaseConvert   = "converting"
	PhaseWeights   = "weights"
	PhaseResume    = "resuming"
	PhaseRunning   = "running"
	PhaseUploading = "uploading"
	PhaseReporting = "reporting"
)

// beforeTraining reports whether in a phase no training process has been started. Of a
// phase that is not known it is not said.
func beforeTraining(phase string) bool {
	switch phase {
	case PhaseStarting, PhaseGathering, PhaseDownload, PhaseConvert, PhaseWeights, PhaseResume:
		return true
	}
	return false
}

// Noun names what a job of this type does, for messages: "the training process".
func Noun(t contract.JobType) string {
	switch t {
	case contract.JobInference:
		return "inference"
	case contract.JobExport:
		return "export"
	}
	return "training"
}

// Phase is the part of its life that a job is in.
type Phase struct {
	Name    string
	Since   time.Time
	Seconds map[string]float64 // spent in each phase, the present one included
}

// clock measures the phases.
type clock struct {
	name  string
	since time.Time
	spent map[string]float64 // in phases that are over, seconds
}

func (c *clock) enter(name string, now time.Time) {
	c.spent[c.name] += now.Sub(c.since).Seconds()
	c.name, c.since = name, now
}

func (c *clock) read(now time.Time) Phase {
	seconds := maps.Clone(c.spent)
	seconds[c.name] += now.Sub(c.since).Seconds()
	return Phase{Name: c.name, Since: c.since, Seconds: seconds}
}
