package cluster

import (
	"errors"
	"log/slog"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Options configures either end.
type Options struct {
	JobID string
	Rank  int    // of this node; the leader is 0
	Nodes int    // of the job, the leader included
	Host  string // this node's name, for messages
	// Address is where the leader listens, and where a member finds it.
	Address string
	// Key is the secret that all nodes share. It is asked for at every handshake,
	// because it may be rotated.
	Key func() (string, error)
	// Timeout is the silence after which a node is lost.
	Timeout time.Duration
	// Wait is how long the leader waits for members to come, and a member for the
	// leader. How long one that has come takes to prepare is not bounded here.
	Wait time.Duration
	// OnEvent sees what a member tells; the leader's only.
	OnEvent func(rank int, e Event)
	Log     *slog.Logger
}

func (o Options) check() error {
	if o.JobID == "" || o.Key == nil || o.Nodes < 2 || o.Rank < 0 || o.Rank >= o.Nodes || o.Timeout <= 0 || o.Wait <= 0 {
		return errors.New("nodes: JobID, Key, Timeout, Wait, at least two Nodes and a Rank below are required")
	}
	return nil
}

func (o Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}

// beat is how often each end speaks: a link may lose two beats in a row.
func (o Options) beat() time.Duration { return o.Timeout / 3 }

// Event is something that a member wants told to the backend.
type Event struct {
	Type    contract.EventType `json:"event_type"`
	Message string             `json:"message"`
	Data    []byte             `json:"data"` // a JSON object
}

// Verdict is how the job ended: every node ends with this exit code.
type Verdict struct {
	Exit    int               `json:"exit"`
	Failure *contract.Failure `json:"failure,omitempty"`
}
