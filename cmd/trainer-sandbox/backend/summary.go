package backend

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// State is where a job is.
type State string

// The states of a job as the callbacks tell them.
const (
	StateRunning   State = "running"
	StateSucceeded State = "succeeded"
	StateFailed    State = "failed"
)

func (s State) ended() bool { return s == StateSucceeded || s == StateFailed }

// Summary is one job in a line.
type Summary struct {
	ID            string             `json:"id"`
	Type          contract.JobType   `json:"type"`
	TraceID       string             `json:"trace_id"`
	State         State              `json:"state"`
	LastEvent     contract.EventType `json:"last_event,omitempty"`
	Epoch         int                `json:"epoch"`
	Progress      contract.Number    `json:"progress"` // percent
	PrimaryMetric string             `json:"primary_metric,omitempty"`
	Best          *contract.Number   `json:"best,omitempty"`
	ErrorMessage  *string            `json:"error_message,omitempty"`
	Started       time.Time          `json:"started"`
	Updated       time.Time          `json:"updated"`
	Calls         int                `json:"calls"`
	Dropped       int                `json:"dropped,omitempty"` // oldest calls forgotten
}

func newSummary(c *Call) Summary {
	return Summary{
		ID: c.Job, Type: jobType(c.Kind), TraceID: c.Header.Get(contract.HeaderTraceID),
		State: StateRunning, Started: c.Time,
	}
}

// jobType guesses from the path; an event or a heartbeat says training until a
// path of another kind corrects it.
func jobType(k contract.Kind) contract.JobType {
	switch k {
	case contract.KindExportProgress, contract.KindExportDone:
		return contract.JobExport
	case contract.KindInferenceProgress, contract.KindInferenceDone, contract.KindTestRunDone:
		return contract.JobInference
	}
	return contract.JobTraining
}

// apply carries an accepted call into the summary. Its body was validated when
// it came, so decoding cannot fail except for a journal edited by hand, whose
// loss is one line of a summary.
func (j *jobRecord) apply(c *Call) {
	s := &j.summary
	if t := jobType(c.Kind); t != contract.JobTraining {
		s.Type = t
	}
	if s.State.ended() && !c.Kind.Final() {
		s.State, s.ErrorMessage = StateRunning, nil // the job was started again
	}
	payload, err := contract.Decode(c.Kind, c.Body)
	if err != nil {
		return
	}
	switch p := payload.(type) {
	case contract.Heartbeat:
		s.Epoch, s.Progress = p.Epoch, p.Progress
	case contract.InferenceProgress:
		s.Progress = p.ProgressPercent
	case contract.ExportProgress:
		s.Progress = p.ProgressPercent
	case contract.Event:
		s.LastEvent = p.EventType
	case contract.Validation:
		j.applyValidation(c, p)
	case contract.Done:
		s.end(p.Status, p.ErrorMessage)
	case contract.TestRunDone:
		s.end(p.Status, p.ErrorMessage)
	case contract.InferenceDone:
		s.end(p.Status, p.ErrorMessage)
	case contract.ExportDone:
		s.end(p.Status, p.ErrorMessage)
	}
}

func (j *jobRecord) applyValidation(c *Call, v contract.Validation) {
	j.summary.PrimaryMetric = v.PrimaryMetricName
	var reply contract.ValidationReply
	if json.Unmarshal(c.Reply, &reply) != nil || !reply.IsBest {
		return
	}
	value := v.PrimaryMetricValue
	j.best[v.PrimaryMetricName], j.summary.Best = float64(value), &value
}

func (s *Summary) end(status contract.Status, message *string) {
	s.State, s.ErrorMessage = StateFailed, message
	if status == contract.StatusSucceeded {
		s.State = StateSucceeded
	}
}

// Jobs lists every job, the latest to start first. Calls that were refused make none.
func (r *records) Jobs() []Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Summary, 0, len(r.jobs))
	for _, j := range r.jobs {
		if j.known {
			list = append(list, j.summary)
		}
	}
	slices.SortFunc(list, func(a, b Summary) int {
		if c := b.Started.Compare(a.Started); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list
}

// Job returns one job's summary.
func (r *records) Job(id string) (Summary, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.jobs[id]
	if j == nil {
		return Summary{}, false
	}
	return j.summary, true
}
