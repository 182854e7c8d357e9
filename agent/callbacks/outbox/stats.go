package outbox

import "time"

type counts struct {
	accepted, merged, refused, settled, rejected, retries int
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
	o.mu.Lock()
	defer o.mu.Unlock()
	s := Stats{
		Depth: o.waitingLocked(), Bytes: o.bytes,
		Accepted: o.counts.accepted, Merged: o.counts.merged, Refused: o.counts.refused,
		Settled: o.counts.settled, Rejected: o.counts.rejected, Retries: o.counts.retries,
		SetAside: append([]string(nil), o.setAside...),
	}
	if s.Depth == 0 || o.closed {
		return s
	}
	oldest := o.final.rec.at
	if r, found, err := o.oldest(); err == nil && found {
		oldest = r.at
	}
	s.OldestAge = age(o.opts.Now(), oldest)
	return s
}
