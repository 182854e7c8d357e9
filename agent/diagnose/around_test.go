// Without the race detector: it sees nothing in a thousand logs that are read one after
// the other, and takes twenty times as long. make test-go runs these by themselves.

//go:build !race

package diagnose

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/diagnose/logtext"
	"github.com/vision-platform/trainer-agent/agent/process/output"
)

// around are what stands around a process's own words and tells nothing of its end:
// what launchers and containers put before each line, and what is printed before.
var around = map[string]func(lines []string) []string{
	"each line: torch's rank":       before("[rank0]: "),
	"each line: torchrun's rank":    before("[default0]:"),
	"each line: mpirun":             before("[1,0]<stderr>:"),
	"each line: a container's time": before("2026-03-07T16:00:50.422113Z stderr F "),
	"each line: a time and a rank":  before("2026-03-07 16:00:50 [rank0]: "),
	"colours":                       before("\x1b[36m"),
	"a flood of progress":           behind(numbered(3000, "Epoch 3/90: step %d loss 0.31 lr 0.001 eta 3:11:01")),
	"a flood of warnings":           behind(numbered(3000, "/opt/venv/lib/python3.11/site-packages/PIL/Image.py:%d: UserWarning: Palette images")),
	"an error long survived":        behind(append([]string{"ImportError: no apex, training goes on"}, numbered(3000, "Epoch %d/90 loss 0.3")...)),
}

func before(prefix string) func([]string) []string {
	return func(lines []string) []string {
		out := make([]string, len(lines))
		for i, l := range lines {
			out[i] = prefix + l
		}
		return out
	}
}

func behind(first []string) func([]string) []string {
	return func(lines []string) []string { return slices.Concat(first, lines) }
}

func numbered(n int, format string) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf(format, i))
	}
	return out
}

// TestWhatStandsAroundALogChangesNothing is over the whole corpus.
func TestWhatStandsAroundALogChangesNothing(t *testing.T) {
	everything := os.Getenv("DIAGNOSE_EVERYTHING") != "" // else every second log is under one of the changes, which takes a second
	for turn, name := range slices.Sorted(maps.Keys(around)) {
		change := around[name]
		t.Run(name, func(t *testing.T) {
			for i, s := range corpus(t) {
				if !everything && i%(2*len(around)) != turn {
					continue
				}
				before := s.evidence()
				if prefixed := strings.HasPrefix(name, "each"); prefixed && ofProcesses(before) || !prefixed && len(s.log) > output.DefaultTail*3/4 {
					continue // it has prefixes of its own, or fills the tail by itself
				}
				want := Diagnose(before)
				s.log = change(s.log)
				if got := Diagnose(s.evidence()); got == nil || got.Code != want.Code || got.Message != want.Message || got.Retryable != want.Retryable || got.Hint != want.Hint {
					t.Errorf("%s: %s\n was %s", s.name, told(got), told(want))
				}
			}
		})
	}
}

// ofProcesses: its lines say whose they are.
func ofProcesses(e Evidence) bool {
	return slices.ContainsFunc(read(e).log.Lines, func(l logtext.Line) bool { return l.Process != "" })
}
