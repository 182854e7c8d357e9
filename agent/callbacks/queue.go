// Package callbacks is what the backend is told: the queue that keeps and delivers
// it, the relay that answers the child, the heartbeat of a silent child, the epochs of
// a script that calls nobody, and the final callback.
//
// Its stages promise that a fault here never disturbs the training. They leave to
// their sub-rooms how a message is kept, checked and sent, and to the one who wires
// them what the job is.
package callbacks

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox"
	"github.com/vision-platform/trainer-agent/agent/callbacks/relay"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// Queue keeps and delivers what the backend is to be told. It gives Box, which is nil
// where there is nobody to tell: the configuration names no backend, or node 0 speaks
// for this machine.
type Queue struct {
	Dir     string
	Options outbox.Options // OnDelivered and OnRejected are the Queue's
	Mute    bool           // there is nobody to tell
	Final   contract.Kind  // the callback that ends the job
	Log     *slog.Logger

	Box    *outbox.Outbox
	sender *stage.Background
	relay  atomic.Pointer[relay.Relay] // it is told what was delivered
}

// Start opens the outbox. Nothing is sent before Deliver.
func (q *Queue) Start(context.Context) (err error) {
	if q.Mute {
		return nil
	}
	o := q.Options
	o.OnDelivered = func(m contract.Message, reply []byte) {
		if r := q.relay.Load(); r != nil {
			r.Delivered(m, reply)
		}
	}
	o.OnRejected = q.refused()
	q.Box, err = outbox.Open(q.Dir, o)
	return err
}

// refused writes the first refusal of each kind and status to the log; the event
// callback_rejected counts them all.
func (q *Queue) refused() func(contract.Message, int, string) {
	said := map[string]bool{} // the sender alone calls
	return func(m contract.Message, status int, _ string) {
		what := fmt.Sprint(m.Kind, status)
		if said[what] {
			return
		}
		said[what] = true
		q.Log.Warn("the backend refused a callback: it is not sent again and is kept in outbox/rejected.jsonl",
			"event", contract.EventCallbackRejected, "kind", m.Kind, "status", status)
	}
}

// Deliver begins to send, once it is settled whether what an earlier run said last
// still holds. It goes on after a request to stop, until everything is delivered. Called
// again it begins anew if a panic ended the sender.
func (q *Queue) Deliver(ctx context.Context) error {
	if q.Box == nil || q.sender != nil && !q.sender.Broke() {
		return nil
	}
	q.sender = &stage.Background{Run: func(ctx context.Context) { _ = q.Box.Run(ctx) }}
	return q.sender.Start(ctx)
}

// StopSending ends the sender; what is left stays in the outbox.
func (q *Queue) StopSending(ctx context.Context) error { return q.sender.Stop(ctx) }

// Stop ends the sender and closes the outbox.
func (q *Queue) Stop(ctx context.Context) error {
	err := q.sender.Stop(ctx)
	if q.Box != nil {
		return q.Box.Close()
	}
	return err
}

// Send keeps an event of the agent's own. A failure to do so is logged and never
// disturbs the job.
func (q *Queue) Send(e contract.Event) {
	if q.Box == nil {
		return
	}
	message, err := contract.NewMessage(contract.KindEvent, e, e.Timestamp.Time)
	if err == nil {
		err = q.Box.Append(message)
	}
	if err != nil {
		q.Log.Warn("a callback could not be kept", "kind", contract.KindEvent, "error", err)
	}
}

// sendAll keeps messages that came at once, in one write to the disk.
func (q *Queue) sendAll(msgs []contract.Message) error {
	if q.Box == nil {
		return nil
	}
	return q.Box.AppendAll(msgs)
}

// accepting is where the relay puts what the child says.
func (q *Queue) accepting() relay.Outbox {
	if q.Box == nil {
		return unheard{}
	}
	return q.Box
}

// Pending counts what is not delivered yet.
func (q *Queue) Pending() int {
	if q.Box == nil {
		return 0
	}
	return q.Box.Pending().Depth
}

// Stats are the figures of the outbox.
type Stats struct {
	Waiting                     int
	OldestSeconds               float64
	Accepted, Retries, Rejected int64
}

// Stats are the figures now; false where there is nobody to tell.
func (q *Queue) Stats() (Stats, bool) {
	if q.Box == nil {
		return Stats{}, false
	}
	p := q.Box.Pending()
	return Stats{
		Waiting: p.Depth, OldestSeconds: p.OldestAge.Seconds(), Accepted: int64(p.Accepted), Retries: int64(p.Retries), Rejected: int64(p.Rejected),
	}, true
}

// LastSaid is the trainer's own final callback; when it said none in this run, the
// one that it had an answer for in a run that was killed. Nil is none.
func (q *Queue) LastSaid(t *job.Tracker) *contract.Message {
	said := t.Final()
	if said != nil || q.Box == nil {
		return said
	}
	if kept, found := q.Box.Kept(q.Final); found {
		return &kept
	}
	return nil
}

// succeededBefore reports whether an earlier run in this workspace ended the job well
// and was killed before it could tell the backend, or just after: the training is not
// done twice for that. An earlier failure, or a success whose run said how it ended,
// is no reason not to run again: its final message gives way to this run's. killed
// says that the run before was.
func (q *Queue) succeededBefore(killed bool) (bool, error) {
	if q.Box == nil {
		return false, nil
	}
	final, stored := q.Box.Final()
	if !stored {
		return false, nil
	}
	var said struct {
		Status contract.Status `json:"status"`
	}
	if json.Unmarshal(final.Message.Body, &said) == nil && said.Status == contract.StatusSucceeded && (!final.Delivered || killed) {
		return true, nil
	}
	return false, q.Box.Reopen()
}

// unheard is the outbox of a machine that does not lead: its child is answered, and
// only node 0's child is heard.
type unheard struct{}

func (unheard) Append(contract.Message) error { return nil }
func (unheard) AppendAndWait(context.Context, contract.Message) ([]byte, bool, error) {
	return nil, false, nil
}
func (unheard) Keep(contract.Message) error { return nil }
