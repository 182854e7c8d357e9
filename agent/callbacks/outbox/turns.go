package outbox

// Turns are the way out of the queue: whose turn it is to be sent, and what became
// of it. They are the sender's.
type turns struct{ *queue }

// head takes the next message to deliver: the oldest in the queue, then the final
// one, or that one at once when time is nearly over. From here on it is not merged
// with any other. After a final message that was delivered nothing is sent: a job
// that has ended must not be made to run again by what is late.
func (q turns) head() (record, bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.final.state == finalDelivered || q.closed {
		return record{}, false, nil
	}
	if q.finalFirst && q.final.state == finalStored {
		return q.final.rec, true, nil
	}
	r, found, err := q.repaired(func() (record, bool, error) { return q.journal.behind(0) })
	if err != nil {
		return record{}, false, err
	}
	if !found && q.final.state == finalStored {
		// A message that came before the final one may still be on its way to the
		// disk: its commit wakes the sender.
		_, _, waits, err := q.journal.store.First()
		if waits || err != nil {
			return record{}, false, err
		}
		return q.final.rec, true, nil
	}
	if found {
		q.index.trying = max(q.index.trying, r.seq)
	}
	return r, found, nil
}

// follower is the nth message behind the head, and after the last of them the
// final one: what is tried when the head alone may be at fault.
func (q turns) follower(n int) (r record, found bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r, found, err := q.repaired(func() (record, bool, error) { return q.journal.behind(n) })
	if err != nil {
		return record{}, false
	}
	if found {
		q.index.trying = max(q.index.trying, r.seq)
		return r, true
	}
	if n == q.journal.store.Waiting() && q.final.state == finalStored {
		return q.final.rec, true
	}
	return record{}, false
}

// early reports whether a message was delivered out of its turn.
func (q turns) early(seq uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.index.early[seq]
}

// settle takes a message out of the queue that was delivered or put aside. A
// disk that does not let it be forgotten only means that it may be sent again
// after a restart, under the same key.
func (q turns) settle(r record, state finalState) {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.stir()
	q.counts.settled++
	if q.isFinal(r) {
		if err := q.final.mark(r, state); err != nil {
			q.log.Warn("the final message's delivery could not be noted", "error", err)
			q.final.state = state
		}
		return
	}
	if first, _, found, err := q.journal.store.First(); err == nil && found && first.Seq < r.seq {
		q.index.early[r.seq] = true // it leaves when its turn comes
		return
	}
	before := q.journal.store.Waiting()
	if err := q.journal.store.Done(r.seq); err != nil {
		q.log.Warn("a delivered message could not be removed from the outbox", "sequence", r.seq, "error", err)
	}
	q.index.settled(r, q.journal.store.Waiting() < before)
}

// pass drops a message that was delivered out of its turn.
func (q turns) pass(r record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.stir()
	if err := q.journal.store.Done(r.seq); err != nil {
		q.log.Warn("a delivered message could not be removed from the outbox", "sequence", r.seq, "error", err)
	}
	q.index.settled(r, true)
}

// putFinalFirst lets the final message go ahead of the rest, or no longer. It
// reports whether there is one to go.
func (q turns) putFinalFirst(on bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.finalFirst = on
	return on && q.final.state == finalStored
}

func (q turns) isFinalFirst() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.finalFirst && q.final.state == finalStored
}

// hasLastChance reports whether the final message waits and did not yet go first:
// a flush that is cut short would end without one try of it.
func (q turns) hasLastChance() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.final.state == finalStored && !q.finalFirst && q.journal.store.Waiting() > 0
}
