package logtext

import (
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/agent/internal/logline"
)

var (
	boxFrame   = pattern.Of(`^\s*[│|]\s+(\S[^│]*?):(\d+) in (\S+)\s*[│|]?\s*$`)
	groupRule  = pattern.Of(`^\s*\+-[+-]*(?:-+ (?:\d+|\.\.\.) -*)?-*$`)
	groupFirst = pattern.Of(`^\s*(?:\+|\|)\s+Exception Group Traceback`)
	groupLine  = pattern.Of(`^\s*\| ?`)
	underline  = pattern.Of(`^\s+[└│]`)
)

// unbox writes what rich and loguru draw, and what Python draws of an exception
// group, as plain tracebacks.
func unbox(lines []string) []string {
	out := make([]string, 0, len(lines))
	box, group := false, false
	for _, l := range lines {
		switch {
		case strings.Contains(l, "╭") && strings.Contains(l, "Traceback"):
			box, l = true, prefixOf(l, "╭")+logline.Traceback+":"
		case box && strings.Contains(l, "╰"):
			box, l = false, prefixOf(l, "╰")+"    "
		case box:
			l = boxed(l)
		case groupFirst.Match(l):
			group, l = true, logline.Traceback+":"
		case group && groupRule.Match(l):
			l = ""
		case group && groupLine.Match(l):
			l = groupLine.Replace(l, "")
		case underline.Match(l):
			l = "    "
		}
		out = append(out, l)
	}
	return out
}

func prefixOf(l, mark string) string {
	before, _, _ := strings.Cut(l, mark)
	return before
}

// boxed is a line of rich's box: a frame, or source to be passed over.
func boxed(l string) string {
	before, inside, ok := strings.Cut(l, "│")
	if !ok {
		return "    " + l
	}
	if m := boxFrame.Groups("│" + inside); m != nil {
		return before + `  File "` + m[1] + `", line ` + m[2] + ", in " + m[3]
	}
	return before + "    " + strings.TrimRight(inside, " │")
}
