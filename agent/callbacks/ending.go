package callbacks

import (
	"bytes"
	"context"
	"errors"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/contract"
)

// Ending is what becomes of the queue when the job has ended.
type Ending struct {
	Queue *Queue
	Warn  func(string)
	// Keep puts what could not be delivered where an operator finds it, and returns its
	// address; nil where there is no such place.
	Keep func(key string, body []byte) (uri string, err error)
}

// Delivery is how far the backend knows of the end.
type Delivery struct {
	Undelivered bool // the final callback is one of those that the backend does not have
	Left        int  // callbacks that were not delivered
	Rejected    int
	Replay      string // the command that delivers what is left, "" when there is none
}

// Onto writes into the result how far the backend knows it, and the exit code with it.
func (d Delivery) Onto(r *contract.Result) (replay string) {
	r.NotDelivered, r.Rejected = d.Left, d.Rejected
	if d.Undelivered {
		r.ExitCode = contract.ExitCode(r.Error, false)
	}
	return d.Replay
}

// Deliver sends the final callback behind everything else. Where there is nobody to
// tell there is nothing to do.
func (e Ending) Deliver(ctx context.Context, payload any) Delivery {
	q := e.Queue
	if q.Mute {
		return Delivery{}
	}
	now := q.Options.Now()
	message, err := contract.NewMessage(q.Final, payload, now)
	if q.Box == nil { // no disk takes it
		if err := errors.Join(err, outbox.Direct(ctx, message, q.Options)); err != nil {
			q.Log.Error("the final callback could not be delivered", "error", err)
			return Delivery{Undelivered: true, Left: 1}
		}
		return Delivery{}
	}
	if err == nil {
		err = q.Box.AppendFinal(message)
	}
	if err != nil {
		q.Log.Error("the final callback could not be kept", "error", err)
	}
	return e.Flush(ctx)
}

// Flush waits until the backend has everything. What it cannot have is kept.
func (e Ending) Flush(ctx context.Context) Delivery {
	box, log := e.Queue.Box, e.Queue.Log
	err := box.Flush(ctx)
	if stopped := stage.Bound(context.Background(), stage.StopWithin, "sending", e.Queue.StopSending); stopped != nil {
		e.Warn(stopped.Error())
	}
	pending := box.Pending()
	d := Delivery{Left: pending.Depth, Rejected: pending.Rejected}
	final, stored := box.Final()
	if stored && final.Delivered {
		if pending.Depth > 0 {
			log.Error("callbacks that waited before the final one could not be delivered", "error", err, "left", pending.Depth)
			d.Replay = e.keep()
		}
		return d
	}
	log.Error("the final callback could not be delivered", "error", err, "left", pending.Depth, "refused", final.Rejected)
	d.Undelivered, d.Replay = true, e.keep()
	return d
}

// keep returns the command that delivers what was kept.
func (e Ending) keep() (replay string) {
	if e.Keep == nil {
		return ""
	}
	log := e.Queue.Log
	var lines bytes.Buffer
	if _, err := e.Queue.Box.Export(&lines); err != nil {
		log.Error("the outbox could not be exported", "error", err)
	}
	key := contract.UndeliveredKey(e.Queue.Options.JobID)
	uri, err := e.Keep(key, lines.Bytes())
	if err != nil {
		log.Error("the undelivered callbacks stay in the workspace", "folder", e.Queue.Dir, "error", err)
		return ""
	}
	replay = "trainer-agent replay --from " + uri
	log.Error("the undelivered callbacks are in the bucket", "key", key, "deliver_with", replay)
	return replay
}
