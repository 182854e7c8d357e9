package logtext

import (
	"regexp"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/agent/internal/logline"
)

// maxLearned bounds the launchers whose prefix is learned from one log.
const maxLearned = 8

var (
	// A time at the head of a line, as containers, loggers and launchers write it.
	stamp = pattern.Of(`^\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?\s*(?:std(?:out|err) [FP](?: |$))?(?:- |[|:] ?)?`)
	// The same inside a learned prefix, where it tells no process from another.
	clock      = pattern.Of(`\d{4}-\d\d-\d\d[T ]?|\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?|std(?:out|err) [FP]|<std(?:out|err)>|[\[\]()|:\s]`)
	number     = pattern.Of(`\d+`)
	firstFrame = pattern.Of(`^\s*[>|│]?\s*File "[^"]+", line \d+`)
)

// separate takes the prefixes off: those that are known, and those that this log
// teaches. What the likes of srun, docker compose, pdsh and a site's own launcher
// put before each line also stands before "Traceback" and before the frame below it.
func separate(lines []string) []Line {
	learned := learn(lines)
	out := make([]Line, 0, len(lines))
	like := 0
	for _, l := range lines {
		if n := likeLeftOut(l); n > 0 {
			like = n
			continue
		}
		x := unprefixed(l, learned)
		x.Like, like = like, 0
		out = append(out, x)
	}
	return shorten(dedent(out))
}

// dedent takes off the space that a launcher puts before every line of a process.
func dedent(lines []Line) []Line {
	flush := map[string]bool{} // processes with a line at the margin
	for _, l := range lines {
		flush[l.Process] = flush[l.Process] || l.Process == "" || l.Text != "" && l.Text[0] != ' '
	}
	for i, l := range lines {
		if !flush[l.Process] {
			lines[i].Text = strings.TrimPrefix(l.Text, " ")
		}
	}
	return lines
}

func unprefixed(l string, learned []*regexp.Regexp) Line {
	x := Line{Text: l}
	for range 3 { // a container's time before a launcher's prefix before torch's
		before := x.Text
		for _, shape := range learned {
			if at := shape.FindStringIndex(x.Text); at != nil {
				x.Process = joined(x.Process, strings.TrimSpace(clock.Replace(x.Text[:at[1]], "")))
				x.Text = x.Text[at[1]:]
				break
			}
		}
		process, text := logline.Split(x.Text)
		x.Process, x.Text = joined(x.Process, process), text
		if at := len(stamp.Find(x.Text)); at > 0 {
			x.Text = x.Text[at:]
		}
		if x.Text == before {
			break
		}
	}
	return x
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "/" + b
}

// learn finds what stands before a traceback's header and, digits aside, before the
// frame that follows it.
func learn(lines []string) []*regexp.Regexp {
	var out []*regexp.Regexp
	seen := map[string]bool{}
	for i, l := range lines {
		at := strings.Index(l, logline.Traceback)
		if at <= 0 || at > 120 || len(out) == maxLearned {
			continue
		}
		if process, _ := logline.Split(l); process != "" {
			continue // a known one
		}
		shape := "^" + number.Replace(regexp.QuoteMeta(l[:at]), `\d+`)
		if seen[shape] {
			continue
		}
		re, err := regexp.Compile(shape)
		if err == nil && framed(lines[i+1:min(len(lines), i+20)], re) {
			out, seen[shape] = append(out, re), true
		}
	}
	return out
}

// framed: among the lines is a frame behind this prefix. Other processes may have
// printed in between.
func framed(lines []string, prefix *regexp.Regexp) bool {
	for _, l := range lines {
		if at := prefix.FindStringIndex(l); at != nil && firstFrame.Match(l[at[1]:]) {
			return true
		}
	}
	return false
}

// shorten keeps of a flood, line by line of one process, the first three and the last.
func shorten(lines []Line) []Line {
	type run struct {
		shape string
		n     int
		last  int // its place in out
	}
	runs := map[string]run{}
	out := lines[:0]
	for _, l := range lines {
		r, shape := runs[l.Process], logline.Shape(l.Text)
		if shape == r.shape && shape != "" && r.last == lastOf(out, l.Process) {
			if r.n++; r.n > 4 {
				l.Like += out[r.last].Like + 1
				out[r.last] = l
				runs[l.Process] = r
				continue
			}
		} else {
			r = run{shape: shape, n: 1}
		}
		r.last = len(out)
		runs[l.Process] = r
		out = append(out, l)
	}
	return out
}

// lastOf is the place of a process's newest line.
func lastOf(lines []Line, process string) int {
	for i := len(lines) - 1; i >= 0; i-- {
		if lines[i].Process == process {
			return i
		}
	}
	return -1
}
