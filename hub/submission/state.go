package submission

import "slices"

// State is where a submission is on its way.
type State string

// The way is Received, Scanning, Building, Testing, Publishing, Active. A dry run
// ends as Proven in place of being published.
const (
	Received   State = "received"
	Scanning   State = "scanning"
	Building   State = "building"
	Testing    State = "testing"
	Publishing State = "publishing"
	Review     State = "review" // rejected, and its author's appeal waits for the operator
	Active     State = "active"
	Proven     State = "proven"
	Rejected   State = "rejected" // the author's to mend
	Failed     State = "error"    // the hub's own fault, after some tries
	Cancelled  State = "cancelled"
)

// way are the states that somebody works in, in order.
var way = []State{Received, Scanning, Building, Testing, Publishing}

// Open says whether a submission is still on its way.
func (s State) Open() bool { return slices.Contains(way, s) }

// Ended says whether nobody has to do anything more.
func (s State) Ended() bool { return !s.Open() && s != Review }

// Next is the state after s; a dry run is not published.
func (s State) Next(dryRun bool) State {
	switch i := slices.Index(way, s); {
	case s == Testing && dryRun:
		return Proven
	case s == Publishing:
		return Active
	default:
		return way[i+1]
	}
}

// Retryable says whether a submission that ended may be tried again. What was
// rejected may be too: the known vulnerabilities, or a time limit, may have been
// to blame.
func (s State) Retryable() bool { return s == Rejected || s == Failed || s == Cancelled }

// Status is the state in the three words of the platform's API.
func (s State) Status() string {
	switch {
	case !s.Ended():
		return "validating"
	case s == Active, s == Proven:
		return "passed"
	default:
		return "failed"
	}
}
