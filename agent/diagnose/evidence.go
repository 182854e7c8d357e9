package diagnose

import (
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Stop says why the agent itself ended the child, if it did.
type Stop string

// The reasons to stop a child.
const (
	StopNone      Stop = ""
	StopRequested Stop = "requested"  // the agent got SIGTERM or SIGINT
	StopTimeLimit Stop = "time_limit" // MAX_TRAINING_TIME_SECONDS
	StopHang      Stop = "hang"       // AGENT_HANG_TIMEOUT
	StopGPU       Stop = "gpu"        // AGENT_ON_GPU_ERROR=stop
	StopNode      Stop = "node"       // another machine of the job failed or is lost
)

// Again is what a job does when it is started again.
type Again int

// It is only promised to resume when a checkpoint to resume from is stored, and to go
// on when some results are.
const (
	AgainUnknown Again = iota
	AgainResumes
	AgainIfAsked // it resumes, but not unless it is told to
	AgainStartsOver
	AgainGoesOn // a job that trains nothing, behind its results so far
	AgainAnew   // one that has none, or measures in one pass
)

// hint says so to a person.
func (a Again) hint() string {
	switch a {
	case AgainResumes:
		return "Run it again: it resumes from its last checkpoint."
	case AgainIfAsked:
		return "Run it again with AGENT_RESUME=auto, and it resumes from its last checkpoint."
	case AgainStartsOver:
		return "Run it again: no checkpoint to resume from is stored, so it starts from the beginning."
	case AgainGoesOn:
		return "Run it again: it goes on after the results that are stored."
	case AgainAnew:
		return "Run it again: it starts from the beginning."
	}
	return "Run it again."
}

// Evidence is everything that is known about a run that ended.
type Evidence struct {
	JobType  contract.JobType
	Measures bool // a test run: its metrics are what it is for
	Settings Settings

	Err  error // why no child was started, or nil
	Stop Stop

	ExitCode int // of the child; 128+n when signal n ended it
	Signal   int // the signal that ended the child, or 0

	Started, Ended time.Time // of the child
	LastOutput     time.Time // last line or heartbeat of the child; zero = none

	LogTail           []string // what is kept of the child's output, oldest first: see agent/process/output.Tail
	TorchElasticError string   // content of TORCHELASTIC_ERROR_FILE, "" when there is none
	ChildDone         *Report  // what the trainer said of itself, nil when it said nothing
	Crowded           bool     // strangers crowded the relay: what the child said may be lost

	Early       bool   // the trainer said that it ends before EPOCHS on purpose
	Zero        string // the primary metric, when its best was 0; "" otherwise
	LastEpoch   int    // completed epochs, 0 before the first
	NaNEpochs   []int  // epochs whose loss was NaN or infinite
	Checkpoints int    // complete checkpoint files seen, of a job that trains nothing any files; -1 = not known
	Torn        string // the checkpoint that is there and not whole, with what it lacks; "" when there is none
	Again       Again  // what the job does when it is started again

	GPU    contract.GPUEvidence
	System contract.SystemEvidence
	Nodes  []contract.NodeEvidence // the job's other machines; none for a job on one
}

// Report is the child's own final callback.
type Report struct {
	Status contract.Status
	Error  string // its error_message, "" when it gave none

	Measured bool // a test run's, with metrics
}

// Settings are the values that a hint may name. Zero is not set.
type Settings struct {
	Node            string // the Kubernetes node, "" when it is not known
	Device          string // DEVICE of the job: where it is "cpu" no GPU can be missing
	BatchSize       int
	NumWorkers      int
	ImageSize       int
	LearningRate    float64
	MaxTrainingTime time.Duration
	HangTimeout     time.Duration
}
