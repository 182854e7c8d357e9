package callbacks

import (
	"bytes"
	"context"
	"time"

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
	message, err := contract.NewMessage(q.Final, payload, q.Options.Now())
	if err != nil {
		q.Log.Error("the final callback could not be written", "error", err)
		return Delivery{Undelivered: true, Left: 1}
	}
	if q.Box == nil { // no disk takes it
		return e.fromMemory(ctx, message, Delivery{})
	}
	if err := q.Box.AppendFinal(message); err != nil {
		q.Log.Error("the final callback could not be kept on the disk: it is sent from memory", "error", err)
		ahead, release := leaving(ctx, 3)
		defer release()
		d, _ := e.drain(ahead)
		return e.fromMemory(ctx, message, d)
	}
	return e.Flush(ctx)
}

// leaving ends ctx earlier: one part of so many is left for what comes last.
func leaving(ctx context.Context, parts time.Duration) (context.Context, context.CancelFunc) {
	deadline, limited := ctx.Deadline()
	if !limited {
		return context.WithCancel(ctx)
	}
	left := time.Until(deadline)
	return context.WithTimeout(ctx, left-left/parts)
}

// fromMemory sends the final callback that is on no disk. It is kept with what else is
// left: a replay without it would leave the job without an end.
func (e Ending) fromMemory(ctx context.Context, m contract.Message, d Delivery) Delivery {
	final, err := outbox.Direct(ctx, m, e.Queue.Options)
	if err != nil {
		e.Queue.Log.Error("the final callback could not be delivered", "error", err)
		d.Undelivered, d.Left = true, d.Left+1
	}
	if d.Left > 0 {
		d.Replay = e.keep(final)
	}
	return d
}

// drain waits until the backend has all that waits, and ends the sender.
func (e Ending) drain(ctx context.Context) (Delivery, error) {
	box := e.Queue.Box
	err := box.Flush(ctx)
	if stopped := stage.Bound(context.Background(), stage.StopWithin, "sending", e.Queue.StopSending); stopped != nil {
		e.Warn(stopped.Error())
	}
	pending := box.Pending()
	return Delivery{Left: pending.Depth, Rejected: pending.Rejected}, err
}

// Flush waits until the backend has everything. What it cannot have is kept.
func (e Ending) Flush(ctx context.Context) Delivery {
	log := e.Queue.Log
	d, err := e.drain(ctx)
	final, stored := e.Queue.Box.Final()
	if stored && final.Delivered {
		if d.Left > 0 {
			log.Error("callbacks that waited before the final one could not be delivered", "error", err, "left", d.Left)
			d.Replay = e.keep(nil)
		}
		return d
	}
	log.Error("the final callback could not be delivered", "error", err, "left", d.Left, "refused", final.Rejected)
	d.Undelivered, d.Replay = true, e.keep(nil)
	return d
}

// keep returns the command that delivers what was kept: what the outbox holds, and the
// final callback where it does not.
func (e Ending) keep(final []byte) (replay string) {
	if e.Keep == nil {
		return ""
	}
	log := e.Queue.Log
	var lines bytes.Buffer
	if box := e.Queue.Box; box != nil {
		if _, err := box.Export(&lines); err != nil {
			log.Error("the outbox could not be exported", "error", err)
		}
	}
	lines.Write(final)
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
