package outbox

import (
	"context"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/delivery"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	firstPatience = 6 // server errors before a message is suspected
	laterPatience = 2 // of a kind that was at fault before
	maxFollowers  = 8 // messages behind it that are tried instead
)

// A suspect is the message at the head of the queue to which the backend answers
// with server errors. Whether the message is at fault or the backend is away shows
// when others are tried in its place: if one gets through, it is put aside; if none
// does, all wait. So no single message keeps the rest, or the end of the job, from
// being delivered, and an outage costs none.
type suspect struct {
	seq      uint64
	made     int // tries
	follower int // which one behind it was tried last
	patience map[contract.Kind]int
}

func newSuspect() suspect { return suspect{patience: map[contract.Kind]int{}} }

// tries are what the message gets before it is questioned (again).
func (s *suspect) tries(r record) delivery.Tries {
	if s.seq != r.seq {
		s.seq, s.made, s.follower = r.seq, 0, 0
	}
	if s.made > 0 {
		return delivery.Tries{Before: s.made, Patience: 1}
	}
	if p, before := s.patience[r.kind]; before {
		return delivery.Tries{Patience: p}
	}
	return delivery.Tries{Patience: firstPatience}
}

// cleared: a message of the kind got through.
func (s *suspect) cleared(r record) { delete(s.patience, r.kind) }

// question tries the messages behind a suspect, one a round, and waits for the
// next round when it does not get through.
func (s *sender) question(ctx context.Context, r record, out delivery.Outcome) {
	s.suspect.made += out.Tries
	s.suspect.follower++
	follower, found := s.queue.follower(s.suspect.follower)
	if !found || s.suspect.follower >= maxFollowers {
		s.suspect.follower = 0
	}
	if found && !s.queue.early(follower.seq) {
		if other, err := s.deliver(ctx, follower, delivery.Tries{Once: true}); err == nil && other.Delivered() {
			s.convict(r, out, follower)
			s.settle(follower, other)
			return
		}
	}
	if ctx.Err() != nil {
		return
	}
	wait := s.client.Delay(s.suspect.made - 1)
	s.failed(out.Err, wait)
	_ = s.client.Pause(ctx, wait) // which ends with ctx too
}

// convict puts a suspect aside. When only the final message got through, so are
// all others: each was tried, and nothing may follow the end.
func (s *sender) convict(r record, out delivery.Outcome, through record) {
	s.suspect.patience[r.kind] = laterPatience
	s.refuse(r, out)
	for through.kind.Final() {
		next, found, err := s.queue.head()
		if err != nil || !found || next.kind.Final() {
			return
		}
		s.refuse(next, out)
	}
}
