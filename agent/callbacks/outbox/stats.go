package outbox

import "time"

type counts struct {
	accepted, merged, refused, settled, rejected, retries int
}

func (q *queue) count(change func(*counts)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change(&q.counts)
}

// Stats is the state of the outbox.
type Stats struct {
	Depth     int           // messages that wait, the final one included
	Bytes     int64         // of their bodies, the final one's not included
	OldestAge time.Duration // since the oldest of them happened
	Accepted  int           // in this life, like all below
	Merged    int           // waiting messages that a newer one took the place of
	Refused   int           // not accepted
	Settled   int           // delivered or put aside
	Rejected  int           // put aside, because the backend refused them
	Retries   int           // tries that failed
	SetAside  []string      // damaged files that are kept
}

// Pending returns the state of the outbox.
func (o *Outbox) Pending() Stats {
	q := o.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Stats{
		Depth: q.waiting(), Bytes: q.index.bytes,
		Accepted: q.counts.accepted, Merged: q.counts.merged, Refused: q.counts.refused,
		Settled: q.counts.settled, Rejected: q.counts.rejected, Retries: q.counts.retries,
		SetAside: append([]string(nil), q.journal.folder.setAside...),
	}
	if s.Depth == 0 || q.closed {
		return s
	}
	oldest := q.final.rec.at
	if r, found, err := q.journal.behind(0); err == nil && found {
		oldest = r.at
	}
	s.OldestAge = age(o.now(), oldest)
	return s
}

// age is how long ago t was, never negative.
func age(now, t time.Time) time.Duration { return max(0, now.Sub(t)) }
