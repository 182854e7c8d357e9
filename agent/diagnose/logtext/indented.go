package logtext

import (
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/agent/internal/logline"
)

// setInHeader is a traceback's header that a logger set in, or torchrun's summary did
// with the traceback that a rank left in a file.
var setInHeader = pattern.Of(`^(\s+)(?:traceback : )?Traceback \(most recent call last\):$`)

// outdented takes the indentation of such a header off the lines below it that have it.
func outdented(lines []string) []string {
	out := make([]string, 0, len(lines))
	margin := ""
	for _, l := range lines {
		if m := setInHeader.Groups(l); m != nil {
			margin, l = m[1], logline.Traceback+":"
		} else if margin != "" && strings.HasPrefix(l, margin) {
			l = l[len(margin):]
		} else if !blank(l) {
			margin = ""
		}
		out = append(out, l)
	}
	return out
}

// unfolded writes what one process printed in a form of its own as plain tracebacks: a
// group is drawn from the margin, which only shows once the prefix is off.
func unfolded(lines []Line) []Line {
	for _, p := range processes(lines) {
		for i, text := range cells(outdented(unbox(p.texts))) {
			lines[p.places[i]].Text = text
		}
	}
	return lines
}
