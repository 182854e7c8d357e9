package telemetry

import (
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Snapshot is what the metrics endpoint says at one moment. Pointers are nil where
// nothing is known: an absent series is honest, a zero is not.
type Snapshot struct {
	Ready       bool
	JobType     contract.JobType
	Framework   string
	Phases      Phases
	Training    Training
	Store       Store
	Checkpoints *Checkpoints // nil before anybody looks for them
	Callbacks   Callbacks
	Child       Child
	System      *contract.System
}

// Phases are how far the job is.
type Phases struct {
	Running string
	Seconds map[string]float64 // of each so far
}

// Training is what the training says of itself.
type Training struct {
	Progress      *float64 // 0 to 1
	Epoch, Epochs int
	PrimaryMetric string
	PrimaryValue  *float64
}

// Store are the figures of the object store.
type Store struct {
	DatasetBytes int64 // read
	Retries      int64

	SentBytes, ReceivedBytes int64
}

// Checkpoints are the figures of the uploads.
type Checkpoints struct {
	Bytes    int64
	Failures int64
	Waiting  int
	Last     time.Time     // of the last upload's end; zero before the first
	Lag      time.Duration // of that one, from the last writing to its file
}

// Callbacks are the figures of the outbox.
type Callbacks struct {
	Waiting                     int
	OldestSeconds               float64
	Accepted, Retries, Rejected int64
}

// Child are the figures of the training process and its descendants.
type Child struct {
	CPUSeconds *float64
	RSSBytes   *int64
}
