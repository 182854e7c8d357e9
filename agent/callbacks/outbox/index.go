package outbox

import (
	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/contract"
)

// An entry is what is remembered of a message that waits.
type entry struct {
	seq   uint64
	place spool.Place
	size  int64 // of its body
	kind  contract.Kind
	slot  string
}

func entryOf(r record, at spool.Place) entry {
	return entry{r.seq, at, int64(len(r.body)), r.kind, r.slot}
}

// An index is what is remembered of the messages that wait, beside the journal.
type index struct {
	next   uint64           // the next sequence
	done   uint64           // every sequence below is delivered or aside
	trying uint64           // the newest sequence that has been tried, 0 when none has
	early  map[uint64]bool  // delivered out of turn, to be passed over in this life
	slots  map[string]entry // the message that waits under each slot
	newest entry
	bytes  int64 // of bodies
}

func newIndex() index { return index{slots: map[string]entry{}, early: map[uint64]bool{}} }

func (x *index) add(e entry, instead entry) {
	x.next = e.seq + 1
	x.bytes += e.size - instead.size
	x.newest = e
	if e.slot != "" {
		x.slots[e.slot] = e
	}
}

// settled takes note that a message no longer waits. gone is false for one that a
// replaced store came without.
func (x *index) settled(r record, gone bool) {
	if gone {
		x.bytes -= int64(len(r.body))
	}
	x.done = max(x.done, r.seq+1)
	delete(x.early, r.seq)
	if x.slots[r.slot].seq == r.seq {
		delete(x.slots, r.slot)
	}
}

// untried reports whether a waiting sequence has never been sent.
func (x *index) untried(seq uint64) bool { return seq > x.trying && seq >= x.done }
