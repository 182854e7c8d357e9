package logtext

import (
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/agent/internal/logline"
)

// torchrun's summary sets the traceback in that a rank left in a file.
var (
	summaryFirst = pattern.Of(`^\s+traceback : Traceback \(most recent call last\):$`)
	summaryEnd   = pattern.Of(`^(?:[-=]{9,}|\[\d+\]:|Root Cause)`)
)

// summaries takes the indentation off such a traceback.
func summaries(lines []string) []string {
	out := make([]string, 0, len(lines))
	inside := false
	for _, l := range lines {
		switch {
		case summaryFirst.Match(l):
			inside, l = true, logline.Traceback+":"
		case summaryEnd.Match(l):
			inside = false
		case inside:
			l = strings.TrimPrefix(l, "  ")
		}
		out = append(out, l)
	}
	return out
}

// unfolded writes what one process printed in a form of its own as plain tracebacks: a
// group is drawn from the margin, which only shows once the prefix is off.
func unfolded(lines []Line) []Line {
	for _, p := range processes(lines) {
		for i, text := range cells(summaries(unbox(p.texts))) {
			lines[p.places[i]].Text = text
		}
	}
	return lines
}
