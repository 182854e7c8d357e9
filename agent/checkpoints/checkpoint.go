package checkpoints

import (
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/format"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
)

// checkpoint is one content of one file or folder below OUTPUT_DIR, from the look
// that first saw it until its last byte is in the bucket:
//
//	                     changed during the upload
//	  ┌───────────────────────────────────────────────────┐
//	  ▼                                                    │
//	seen ── a look ──► settling ── whole, closed, ──► complete ── its turn ──► uploading
//	                   │      ▲    quiet for long       ▲    ▲                  │   │
//	                   └──────┘    enough               │    └── next place ────┤   │ refused by
//	                  not yet, or its end               │                       │   ▼ the store
//	                  is missing                        │           all places  │  failed
//	                                                    │                       ▼   │
//	                                     a new place ───┴──────────────── uploaded  └─ pause over ─► uploading
//
// A file that is written to again is another checkpoint, which takes its path; the one
// before ends, but for an upload of a file that was replaced in one step: that one is
// still whole in our hands and goes on. Where in the bucket a checkpoint belongs is the
// planner's business and may change; whether it is complete, and which epoch it holds,
// is decided once.
type checkpoint struct {
	src    scan.Source
	stamp  string
	state  state
	since  time.Time // when this content was first seen
	closed bool      // a look found it without a writer while the trainer lived
	old    bool      // it lay there before this run
	reason string    // why it is not complete
	epoch  int       // 0 until it is decided

	changes int // uploads at this path that were given up because the file moved on
	places  []place
	flight  *flight // the upload under way; nil but in the state uploading
}

type state int

const (
	seen state = iota
	settling
	complete
	uploading
	uploaded
	failed
)

func (s state) String() string {
	return [...]string{"seen", "settling", "complete", "uploading", "uploaded", "failed"}[s]
}

// place is where a checkpoint belongs.
type place struct {
	name   string // below the prefix
	staged bool   // only for best or last to be copied from; it goes when they are there
	alias  bool   // best or last, made for a framework that writes none
}

// Factors on the quiet time, by what is unknown, and quiets of their own.
const (
	quietNoLease     = 8                // whether a process has it open
	quietNoEnd       = 8                // whether its end is there
	quietNeither     = 20               // either
	quietAfterWriter = 4                // before asking again, when a process has it open
	quietHeldOpen    = 30 * time.Second // of a whole file that a forked worker keeps open
	quietBeforeEnd   = 2 * time.Second  // a writer that was killed within its file wrote later than that
)

// Reasons for which a file stays behind at the end of a job.
const (
	reasonUnknown = "it was being written when the job ended, and its format has no end mark by which to tell whether it is whole"
	reasonWriting = "a process still has it open for writing"
)

// reasonCut says what is there of a file whose end is missing.
func reasonCut(size int64) string {
	if size == 0 {
		return "it is empty (0 bytes)"
	}
	return fmt.Sprintf("it is incomplete: it ends after %d bytes, in the middle of what its format names", size)
}

// inspect decides whether a checkpoint is complete, and else says when to look
// again; 0 is when it changes. end is nil while the trainer lives.
//
// A file is complete when its format says that its end is there, no process has it
// open for writing, and size and time are the same in two looks that are quiet apart.
// Where one of the first two cannot be known, the quiet has to last longer.
func (c *checkpoint) inspect(examine func(scan.Source) scan.Findings, quiet time.Duration, now time.Time, end *FinishOptions) (again time.Duration) {
	if c.state > settling {
		return 0
	}
	first, age := c.state == seen, now.Sub(c.since)
	c.state = settling
	if end == nil && age < quiet && !first {
		return quiet - age
	}
	found := examine(c.src)
	c.closed = c.closed || end == nil && found.Leases && !found.Writing && !found.Changed
	switch {
	case end == nil && age < quiet:
		c.reason = reasonUnknown
		return quiet - age
	case found.Changed:
		c.since, c.reason = now, reasonUnknown
		return quiet
	case found.End == format.Cut && !found.Writing:
		c.reason = reasonCut(c.src.Size)
		return 0
	case end != nil && found.Leases && !found.Writing:
		return c.judgeLast(found, *end)
	}
	need := needed(found, quiet)
	if end != nil { // nobody looked before: the file's own time says how long it was quiet
		age = max(age, now.Sub(c.src.Written()))
	}
	if age >= need && found.End != format.Cut {
		c.state = complete
		return 0
	}
	if !found.Writing {
		c.reason = reasonUnknown
		return max(need-age, 0)
	}
	c.reason = reasonWriting
	if end != nil && age >= quietHeldOpen {
		return 0 // no writer of a job that is over takes so long
	}
	return quiet * quietAfterWriter
}

// needed is how long a file has to hold still.
func needed(f scan.Findings, quiet time.Duration) time.Duration {
	switch {
	case f.Writing && f.End == format.Whole:
		return max(quietHeldOpen, quiet)
	case f.Writing:
		return 1 << 62
	case f.End == format.Whole && f.Leases:
		return quiet
	case f.End == format.Whole:
		return quiet * quietNoLease
	case f.Leases:
		return quiet * quietNoEnd
	}
	return quiet * quietNeither
}

// judgeLast decides after the trainer's end, when nobody writes any more. A file
// without an end mark is whole if the trainer ended by itself, or if it was whole
// before: closed when it was seen, renamed into place, or quiet when the end came.
func (c *checkpoint) judgeLast(found scan.Findings, end FinishOptions) time.Duration {
	if found.End == format.Endless && !end.Clean && !c.closed && !c.src.Renamed() && end.Ended.Sub(c.src.Written()) < quietBeforeEnd {
		c.reason = reasonUnknown
		return 0
	}
	c.state = complete
	return 0
}

// incomplete reports whether the checkpoint would stay behind now.
func (c *checkpoint) incomplete() bool { return c.state <= settling }

// assign tells the checkpoint where it belongs; held answers whether a place has it.
func (c *checkpoint) assign(places []place, held func(place) bool) {
	c.places = places
	if c.incomplete() || c.state == uploading {
		return
	}
	switch next := c.next(held); {
	case next == nil && len(places) > 0:
		c.state = uploaded
	case next == nil || c.state != failed:
		c.state = complete
	}
}

// next is the place where it goes next, or nil.
func (c *checkpoint) next(held func(place) bool) *place {
	for i := range c.places {
		if !held(c.places[i]) {
			return &c.places[i]
		}
	}
	return nil
}

// begin: a worker has taken it.
func (c *checkpoint) begin(f *flight) { c.state, c.flight = uploading, f }

// arrive: one place has it now. assign says whether that was the last one.
func (c *checkpoint) arrive() { c.state, c.flight = complete, nil }

// refuse: the store did not take it. It is tried again when its place's pause is over.
func (c *checkpoint) refuse() { c.state, c.flight = failed, nil }

// startOver: the file moved on while it was read. A look says whether it is another now.
func (c *checkpoint) startOver(now time.Time) {
	c.state, c.flight, c.since = seen, nil, now
	c.changes++
}
