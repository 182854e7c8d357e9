package logtext

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
)

// exceptionsOf finds every exception and crash report of every process, in the
// order in which they ended.
func exceptionsOf(lines []Line) []Exception {
	var out []Exception
	for _, s := range processes(lines) {
		found := (&parser{lines: s.texts}).parse()
		if len(found) == 0 {
			found = bareExceptions(s.texts)
		}
		for _, x := range append(found, nativeEnds(s.texts)...) {
			x.Process = s.name
			x.head, x.end = s.places[x.head], s.places[x.end]
			out = append(out, x)
		}
	}
	slices.SortStableFunc(out, func(a, b Exception) int { return cmp.Compare(a.end, b.end) })
	return out
}

// process is what one of them printed, and where in the log.
type process struct {
	name   string
	texts  []string
	places []int
}

func processes(lines []Line) []*process {
	var order []*process
	byName := map[string]*process{}
	for i, l := range lines {
		s := byName[l.Process]
		if s == nil {
			s = &process{name: l.Process}
			byName[l.Process] = s
			order = append(order, s)
		}
		s.texts, s.places = append(s.texts, l.Text), append(s.places, i)
	}
	return order
}

// bareException is an exception's own line without its traceback: the log's tail
// begins after the header, or the traceback was cut to pieces. Right below a frame
// any dotted name is one (TritonMissing, BackendCompilerFailed).
var bareException = pattern.Of(`^(?:[A-Za-z_][\w.]*)?(?:Error|Exception)(?::\s.*|:)?$`)

// framesAbove reads the frames right above a line, of a traceback without its
// header, and where they begin.
func framesAbove(lines []string, at int) (frames []Frame, start int) {
	start = at
	for i := at - 1; i >= 0; i-- {
		if m := frameLine.Groups(lines[i]); m != nil {
			n, _ := strconv.Atoi(m[2])
			frames, start = append(frames, Frame{m[1], n, m[3]}), i
		} else if start-i > 2 || blank(lines[i]) {
			break // more than a source line and its marks
		}
	}
	slices.Reverse(frames)
	return frames, start
}

func bareExceptions(lines []string) []Exception {
	var out []Exception
	for i, l := range lines {
		m := exceptionLine.Groups(l)
		if m == nil {
			continue
		}
		frames, start := framesAbove(lines, i)
		if m[1] == "Error" && len(frames) == 0 {
			continue // a command's own word, not a class
		}
		if !bareException.Match(l) && (len(frames) == 0 || !strings.Contains(m[1], ".")) {
			continue
		}
		x := Exception{Kind: m[1], Message: m[2], Frames: frames}
		p := &parser{lines: lines, at: i + 1}
		p.message(&x)
		x.Block, x.head, x.end = lines[start:p.at], i, p.at-1
		out = append(out, x)
	}
	return out
}
