package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/delivery"
	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
	"github.com/vision-platform/trainer-agent/contract"
)

// A sender delivers what waits, in order and one at a time.
type sender struct {
	queue   turns
	client  *delivery.Client
	rejects *rejects
	answers *answers
	hooks   hooks
	log     *slog.Logger
	now     func() time.Time
	pace    *rate.Limiter

	outage    outageLog
	suspect   suspect
	running   atomic.Bool
	troubled  atomic.Bool // the last try failed
	expedited expedited
}

// hooks are who hears of what became of a message.
type hooks struct {
	delivered func(contract.Message, []byte)
	rejected  func(contract.Message, int, string)
}

// expedited is the hurry of the end: how many calls of Flush are under way, and how
// to break off what is being sent.
type expedited struct {
	mu       sync.Mutex
	flushing int
	brk      context.CancelCauseFunc // of a message that is not the final one
}

func newSender(q *queue, c *delivery.Client, r *rejects, a *answers, o Options) *sender {
	return &sender{
		queue: turns{q}, client: c, rejects: r, answers: a, hooks: hooks{o.OnDelivered, o.OnRejected},
		log: o.Logger, now: o.Now, pace: rate.NewLimiter(drainPerSecond, drainBurst),
		outage: outageLog{log: o.Logger, now: o.Now}, suspect: newSuspect(),
	}
}

// run sends until ctx ends.
func (s *sender) run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		return errors.New("outbox: Run is called twice")
	}
	defer s.running.Store(false)
	for {
		r, found, err := s.queue.head()
		if err != nil {
			s.log.Error("the outbox cannot be read", "error", err)
		}
		if !found {
			select {
			case <-s.queue.news:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if s.queue.early(r.seq) {
			s.queue.pass(r)
			continue
		}
		if err := s.turn(ctx, r); err != nil {
			return err
		}
	}
}

var errExpedited = errors.New("the final message goes first")

// turn gives one message its try, which the end of the job may break off.
func (s *sender) turn(parent context.Context, r record) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	if !r.kind.Final() && !s.breakable(cancel) {
		return nil
	}
	defer s.breakable(nil)
	if !s.isFlushing() {
		if backoff.Wait(ctx, s.pace.Reserve().Delay()) != nil { // the pace at which a backlog is drained
			return parent.Err()
		}
	}
	out, err := s.deliver(ctx, r, s.suspect.tries(r))
	switch {
	case ctx.Err() != nil:
		return parent.Err() // nil when it was broken off
	case err != nil:
		// The request cannot even be made, which no retry changes: aside with it,
		// or it would block the queue for ever.
		out = delivery.Outcome{Reply: []byte(err.Error())}
	case out.Stuck():
		s.question(ctx, r, out)
		return parent.Err()
	}
	s.settle(r, out)
	return nil
}

// deliver sends a message; a final one that is too large goes again without its
// list of artifacts, which result.json has too.
func (s *sender) deliver(ctx context.Context, r record, t delivery.Tries) (delivery.Outcome, error) {
	t.Failed = s.failed
	req := delivery.Request{Path: r.kind.Path(s.rejects.job), Key: s.rejects.key(r.seq), Trace: s.rejects.trace, Body: r.body, Final: r.kind.Final()}
	out, err := s.client.Deliver(ctx, req, t)
	if err != nil || out.Status != http.StatusRequestEntityTooLarge || !req.Final {
		return out, err
	}
	less, ok := withoutArtifacts(r.body)
	if !ok {
		return out, nil
	}
	s.log.Warn("the final message is too large for the backend, it goes without its artifacts", "bytes", len(r.body))
	req.Body = less
	return s.client.Deliver(ctx, req, t)
}

func withoutArtifacts(body []byte) (less []byte, ok bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || fields["artifacts"] == nil {
		return nil, false
	}
	delete(fields, "artifacts")
	less, err := json.Marshal(fields)
	return less, err == nil
}

// failed takes note of a try that failed.
func (s *sender) failed(err error, wait time.Duration) {
	s.troubled.Store(true)
	s.queue.count(func(c *counts) { c.retries++ })
	s.outage.failed(err, wait)
}

// settle takes a message out of the queue: the backend has it, or refused it.
func (s *sender) settle(r record, out delivery.Outcome) {
	s.troubled.Store(false)
	s.outage.recovered()
	if !out.Delivered() {
		s.refuse(r, out)
		return
	}
	s.suspect.cleared(r)
	s.queue.settle(r, finalDelivered)
	s.answers.give(r.seq, reply{body: out.Reply, delivered: true})
	s.hooks.delivered(r.message(), out.Reply)
}

// refuse puts a message aside and says so to the log, the caller and the backend.
func (s *sender) refuse(r record, out delivery.Outcome) {
	key := s.rejects.key(r.seq)
	s.log.Warn("the backend refused a message, it is put aside", "kind", r.kind, "key", key, "status", out.Status, "answer", excerpt(out.Reply))
	if err := s.rejects.add(r, out); err != nil {
		s.log.Error("the refused message could not be put aside", "key", key, "error", err, "body", excerpt(r.body))
	}
	// Before it leaves the queue, or Flush could end between the two.
	if err := (intake{s.queue.queue}).reportRejected(r, key, out, s.now()); err != nil {
		s.log.Warn("the refusal could not be reported to the backend", "error", err)
	}
	s.queue.settle(r, finalRejected)
	s.answers.give(r.seq, reply{})
	s.hooks.rejected(r.message(), out.Status, excerpt(out.Reply))
}

func (s *sender) isFlushing() bool {
	s.expedited.mu.Lock()
	defer s.expedited.mu.Unlock()
	return s.expedited.flushing > 0
}

// flush counts the calls of Flush under way.
func (s *sender) flush(by int) {
	s.expedited.mu.Lock()
	s.expedited.flushing += by
	hurry := s.expedited.flushing > 0
	s.expedited.mu.Unlock()
	s.client.Hurry(hurry)
	if !hurry {
		s.queue.putFinalFirst(false)
	}
}

// breakable lets expedite break off the present message with cancel; nil ends that.
// It is false when the final message goes first already.
func (s *sender) breakable(cancel context.CancelCauseFunc) bool {
	s.expedited.mu.Lock()
	defer s.expedited.mu.Unlock()
	s.expedited.brk = cancel
	return cancel == nil || !s.queue.isFinalFirst()
}

// expedite sends the final message now, ahead of everything that waits.
func (s *sender) expedite() {
	if !s.queue.putFinalFirst(true) {
		return
	}
	s.expedited.mu.Lock()
	brk := s.expedited.brk
	s.expedited.mu.Unlock()
	if brk != nil {
		brk(errExpedited)
	}
	s.queue.wake()
}
