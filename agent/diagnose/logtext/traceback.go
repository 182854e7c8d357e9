package logtext

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/agent/internal/logline"
)

const (
	header     = logline.Traceback
	handling   = "During handling of the above exception, another exception occurred:"
	causing    = "The above exception was the direct cause of the following exception:"
	sibling    = "+-- and another exception of the same group --+"
	maxMessage = 24 // lines of one exception's message
	maxCauses  = 16 // exceptions that one came from: every rule is tried on each of them
)

var (
	frameLine = pattern.Of(`^[>\s]*File "([^"]+)", line (\d+)(?:, in ?(.*))?$`)
	// An exception's last line starts at the margin: a dotted name, then nothing or a colon.
	exceptionLine = pattern.Of(`^([A-Za-z_][\w.]*[\w])(?::\s?(.*))?$`)
	// Two ranks that print at once cut each other's lines: "return iter(x)OSError".
	asideLine = pattern.Of(`^(Exception in thread|Exception ignored in|--- Logging error ---|Error in atexit)`)
	// A time, a level or a rank: the next record of a log, not a message's next line.
	record = pattern.Of(`^\W{0,3}(?:[IWEF]\d{4} |\[[\w/: .-]{1,40}\]|(?:INFO|WARN(?:ING)?|ERROR|DEBUG|CRITICAL)\b|\d\d[:/]\d\d|wandb: )`)
)

// parser reads the tracebacks of one process's lines.
type parser struct {
	lines []string
	at    int
}

// parse finds every traceback, chained ones as one. end is the place behind its
// last line.
func (p *parser) parse() []Exception {
	var out []Exception
	before := "" // the last line that was not empty
	chained, grouped := false, false
	for p.at < len(p.lines) {
		l := p.lines[p.at]
		if !p.startsBlock() {
			chained = chained || l == handling || l == causing
			grouped = grouped || l == sibling
			if !blank(l) {
				before = l
			}
			p.at++
			continue
		}
		x, ok := p.block()
		if !ok {
			continue
		}
		x.end = p.at - 1
		x.Aside = asideLine.Match(before)
		if chained && len(out) > 0 {
			x.cameFrom(out[len(out)-1])
			out = out[:len(out)-1]
		}
		if grouped && len(out) > 0 { // the first of a group came first
			first := &out[len(out)-1]
			if first.end = x.end; len(first.Causes) < maxCauses {
				first.Causes = append(first.Causes, x)
			}
		} else {
			out = append(out, x)
		}
		chained, grouped, before = false, false, ""
	}
	return out
}

// cameFrom puts what an exception came from behind it. Of a long chain the first of all,
// which is the last here, stays.
func (x *Exception) cameFrom(y Exception) {
	x.Causes = append(append(x.Causes, y), y.Causes...)
	if n := len(x.Causes); n > maxCauses {
		x.Causes = slices.Delete(x.Causes, maxCauses-1, n-1)
	}
	x.Aside = x.Aside || y.Aside
}

// startsBlock: a header, or a SyntaxError of the script itself, which has none.
func (p *parser) startsBlock() bool {
	l := p.lines[p.at]
	if strings.Contains(l, header) {
		return true
	}
	m := frameLine.Groups(l)
	return m != nil && m[3] == ""
}

// block reads one traceback to the end of its message.
func (p *parser) block() (Exception, bool) {
	x := Exception{}
	start := p.at
	if strings.Contains(p.lines[p.at], header) {
		p.at++
	}
	for ; p.at < len(p.lines); p.at++ {
		l := p.lines[p.at]
		if m := frameLine.Groups(l); m != nil {
			n, _ := strconv.Atoi(m[2])
			x.Frames = append(x.Frames, Frame{m[1], n, m[3]})
			continue
		}
		if strings.Contains(l, header) {
			return x, false // cut off by the next one
		}
		if l == "" || l[0] == ' ' || l[0] == '\t' || p.sourceAtMargin() {
			continue
		}
		m := exceptionLine.Groups(l)
		if m == nil {
			return x, false // something else was printed in between
		}
		x.head = p.at
		p.at++
		x.Kind, x.Message = m[1], m[2]
		p.message(&x)
		x.Block = p.lines[start:p.at]
		return x, true
	}
	return x, false
}

// sourceAtMargin: the indentation was lost on the way, and the line is the source
// of the frame above it.
func (p *parser) sourceAtMargin() bool {
	if p.at == 0 {
		return false
	}
	above := p.lines[p.at-1]
	return strings.HasPrefix(above, "File ") && frameLine.Match(above) && !bareException.Match(p.lines[p.at])
}

// message reads the further lines of an exception's message. A traceback inside
// it (DataLoader workers, multiprocessing.spawn) is what really happened and
// takes the outer one's place.
func (p *parser) message(x *Exception) {
	if graphError.Match(x.Message) {
		p.skipGraph()
	}
	if userCode.Match(x.Message) {
		p.userCode(x)
	}
	for n := 0; p.at < len(p.lines) && n < maxMessage; n++ {
		l := p.lines[p.at]
		if strings.Contains(l, header) && p.nests(n) {
			start := p.at
			inner, ok := p.block()
			if !ok {
				return
			}
			outer := *x
			outer.Block = p.lines[max(0, start-40):start]
			if *x = inner; len(x.Causes) < maxCauses {
				x.Causes = append(x.Causes, outer)
			}
			return
		}
		if l == "" && p.goesOn() {
			p.at++
			continue
		}
		announced := n == 0 && announces.Match(strings.TrimSpace(x.Message)) && numbered.Match(l)
		if l == "" || p.endsMessage(l) && !announced {
			return
		}
		x.Message += "\n" + l
		p.at++
	}
}

// numbered is an error's number, which else looks like a record's own head.
var numbered = pattern.Of(`^\[\d+\] \w`)

// graphError: TensorFlow puts the stack that built the graph's node between this
// line and the reason.
var (
	graphError = pattern.Of(`^Graph execution error:$`)
	graphStack = pattern.Of(`^\s|^$|^Detected at node |^Node: |^<stack traces unavailable>|^[\d\w_]+ root error`)
)

func (p *parser) skipGraph() {
	for p.at < len(p.lines) && graphStack.Match(p.lines[p.at]) {
		p.at++
	}
}

// userCode: Keras sets a whole traceback of a traced function in below this line, with
// the reason at its end.
var (
	userCode   = pattern.Of(`^in user code:$`)
	codePlace  = pattern.Of(`^\s+(?:File ")?([^\s"]+\.py)(?::|", line )(\d+)(?:,? (?:in )?(\S+))?`)
	codeReason = pattern.Of(`^\s+([A-Za-z_][\w.]*(?:Error|Exception)): (.*)$`)
)

func (p *parser) userCode(x *Exception) {
	for ; p.at < len(p.lines) && (blank(p.lines[p.at]) || p.lines[p.at][0] == ' '); p.at++ {
		if m := codePlace.Groups(p.lines[p.at]); m != nil {
			n, _ := strconv.Atoi(m[2])
			x.Frames = append(x.Frames, Frame{m[1], n, m[3]})
		} else if m := codeReason.Groups(p.lines[p.at]); m != nil {
			x.Kind, x.Message = m[1], m[2]
		}
	}
}

func (p *parser) endsMessage(l string) bool {
	return l == handling || l == causing || l == sibling || asideLine.Match(l) || frameLine.Match(l) || strings.Contains(l, header) || record.Match(l) || likeProgress(l)
}

// nests: torch writes "Original Traceback (most recent call last):", and
// multiprocessing.spawn puts the child's traceback right behind its own line.
func (p *parser) nests(n int) bool {
	return strings.HasPrefix(p.lines[p.at], "Original ") || n <= 3 && p.at > 0 && spawned.Match(strings.Join(p.lines[max(0, p.at-3):p.at], "\n"))
}

var spawned = pattern.Of(`-- Process \d+ terminated with the following error:|remote|ray::`)

// goesOn: what follows an empty line still belongs to the message: a nested
// traceback, or the text of a message that began with an empty line.
func (p *parser) goesOn() bool {
	if p.at+1 >= len(p.lines) {
		return false
	}
	if strings.Contains(p.lines[p.at+1], header) {
		return spawned.Match(strings.Join(p.lines[max(0, p.at-3):p.at], "\n"))
	}
	before := p.lines[p.at-1]
	return p.at > 0 && (announces.Match(before) || strings.HasPrefix(p.lines[p.at+1], "-- Process ")) && p.lines[p.at+1] != "" && !p.endsMessage(p.lines[p.at+1])
}
