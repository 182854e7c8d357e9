package output

import (
	"cmp"
	"slices"

	"github.com/vision-platform/trainer-agent/agent/internal/logline"
)

// Bounds of what is kept beside the last lines.
const (
	maxProcesses = 16 // whose first trouble is kept
	maxTrouble   = 48 // lines of each
	// After so many lines of another kind the trouble was survived, and the next
	// one takes its place.
	overcome = 50
)

// troubles are the first error of each process, by its launcher's prefix.
type troubles map[string]*trouble

type trouble struct {
	lines []kept
	calm  int // lines in a row that belong to no error
}

func (ts troubles) note(l kept, like bool) {
	process, text := logline.Split(logline.Unstamped(l.text))
	x, opens := ts[process], logline.OpensError(text)
	switch {
	case x == nil && !opens, x == nil && len(ts) >= maxProcesses:
		return
	case x == nil:
		x = &trouble{}
		ts[process] = x
	case opens && x.calm >= overcome:
		*x = trouble{}
	}
	if opens || logline.Continues(text) {
		x.calm = 0
	} else {
		x.calm++
	}
	if len(x.lines) < maxTrouble && !like {
		x.lines = append(x.lines, l)
	}
}

// before returns the lines of all of them that are older than a line, oldest first.
func (ts troubles) before(number int) []kept {
	var out []kept
	for _, x := range ts {
		for _, l := range x.lines {
			if l.number < number {
				out = append(out, l)
			}
		}
	}
	slices.SortFunc(out, func(a, b kept) int { return cmp.Compare(a.number, b.number) })
	return out
}
