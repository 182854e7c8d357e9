package logtext

import (
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/agent/internal/logline"
)

var (
	boxTop     = pattern.Of(`^([^│]*?)(?:╭|\+-).*Traceback \(most recent call last\).*(?:╮|-\+)\s*$`)
	boxBottom  = pattern.Of(`^([^│|]*?)(?:╰|\+-{9,}\+\s*$)`)
	boxFrame   = pattern.Of(`^\s+([^\s│][^│]*?):(\d+) in (\S+)$`)
	boxPath    = pattern.Of(`^\s+(?:[/~]|[A-Z]:\\)\S*(?: in)?$`)
	groupRule  = pattern.Of(`^\s*\+-[+-]*(?:-+ (?:\d+|\.\.\.) -*)?-*$`)
	groupNext  = pattern.Of(`^\s*\+-[+-]*-+ (?:[2-9]|\d\d+) -+$`)
	groupFirst = pattern.Of(`^\s*(?:\+|\|)\s+Exception Group Traceback`)
	groupLine  = pattern.Of(`^\s*\| ?`)
	underline  = pattern.Of(`^\s+[└│]`)
)

// unbox writes what rich and loguru draw, and what Python draws of an exception
// group, as plain tracebacks.
func unbox(lines []string) []string {
	out := make([]string, 0, len(lines))
	box, group := false, false
	joined := false // the line before took this one in
	for i, l := range lines {
		switch {
		case boxTop.Match(l):
			box, l = true, boxTop.Groups(l)[1]+logline.Traceback+":"
		case box && boxBottom.Match(l):
			box, l = false, boxBottom.Groups(l)[1]+"    "
		case box && joined:
			joined, l = false, "    "
		case box:
			l, joined = boxed(l, lines[i+1:])
		case groupFirst.Match(l):
			group, l = true, logline.Traceback+":"
		case group && groupNext.Match(l):
			l = sibling
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

// boxed is a line of rich's box: a frame, or source to be passed over. A narrow box
// breaks the frame's path, or what follows it, into the next line.
func boxed(l string, next []string) (line string, joined bool) {
	before, inside, ok := cutSide(l)
	if !ok {
		return "    " + l, false
	}
	inside = strings.TrimRight(inside, " │|")
	tries := []string{inside}
	if len(next) > 0 && boxPath.Match(inside) {
		if _, rest, ok := cutSide(next[0]); ok {
			rest = strings.Trim(rest, " │|")
			tries = append(tries, inside+rest, inside+" "+rest)
		}
	}
	for i, t := range tries {
		if m := boxFrame.Groups(t); m != nil {
			return before + `  File "` + m[1] + `", line ` + m[2] + ", in " + m[3], i > 0
		}
	}
	return before + "    " + inside, false
}

// cutSide cuts a line of a box behind its left side.
func cutSide(l string) (before, inside string, ok bool) {
	if before, inside, ok = strings.Cut(l, "│"); ok {
		return before, inside, ok
	}
	return strings.Cut(l, "|")
}
