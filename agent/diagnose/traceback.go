package diagnose

import (
	"strconv"
	"strings"
)

// frame is one level of a Python stack.
type frame struct {
	file string
	line int
	fn   string
}

// exception is one uncaught Python exception as the log shows it.
type exception struct {
	kind    string // "torch.OutOfMemoryError"
	message string // its lines joined by "\n"
	frames  []frame
	lines   []string    // the block as printed
	causes  []exception // chained ("during handling of", "direct cause of") and outer ones
	aside   bool        // in a thread, in a destructor or in logging: seldom what ended the process
}

const (
	header     = "Traceback (most recent call last):"
	handling   = "During handling of the above exception, another exception occurred:"
	causing    = "The above exception was the direct cause of the following exception:"
	maxMessage = 24 // lines of one exception's message
)

var (
	frameLine = re(`^\s*File "([^"]+)", line (\d+)(?:, in (.+))?$`)
	// An exception's last line starts at the margin: a dotted name, then nothing or a colon.
	exceptionLine = re(`^([A-Za-z_][\w.]*[\w])(?::\s?(.*))?$`)
	libraryFile   = re(`/site-packages/|/dist-packages/|/lib(64)?/python\d|^<|/torch/(_|nn|utils|optim)|importlib/_bootstrap`)
	asideLine     = re(`^(Exception in thread|Exception ignored in|--- Logging error ---|Error in atexit)`)
)

func (x exception) text() string {
	if x.message == "" {
		return x.kind
	}
	return x.kind + ": " + x.message
}

// short is the type without its module and the first line of the message.
func (x exception) short() string {
	first, _, _ := strings.Cut(x.message, "\n")
	if first == "" {
		return x.kind
	}
	return x.kind + ": " + first
}

// where is the last frame of the user's own file, or of any file.
func (x exception) where() (frame, bool) {
	for _, y := range append([]exception{x}, x.causes...) {
		for i := len(y.frames) - 1; i >= 0; i-- {
			if !libraryFile.MatchString(y.frames[i].file) {
				return y.frames[i], true
			}
		}
	}
	if n := len(x.frames); n > 0 {
		return x.frames[n-1], true
	}
	return frame{}, false
}

// quote is the block with its end first, since the end tells most.
func (x exception) quote() []string {
	end := strings.Split(clip(x.text()), "\n")
	return append(end[:min(len(end), 4)], last(x.lines, maxEvidence-8)...)
}

// parser reads the tracebacks of one stream of lines.
type parser struct {
	lines []string
	at    int
}

// parse finds every traceback, chained ones as one.
func (p *parser) parse() []exception {
	var out []exception
	before := "" // the last line that was not empty
	chained := false
	for p.at < len(p.lines) {
		l := p.lines[p.at]
		if !p.startsBlock() {
			chained = chained || l == handling || l == causing
			if strings.TrimSpace(l) != "" {
				before = l
			}
			p.at++
			continue
		}
		x, ok := p.block()
		if !ok {
			continue
		}
		x.aside = asideLine.MatchString(before)
		if chained && len(out) > 0 {
			x.causes = append(x.causes, out[len(out)-1])
			x.causes = append(x.causes, out[len(out)-1].causes...)
			x.aside = x.aside || out[len(out)-1].aside
			out = out[:len(out)-1]
		}
		chained, before = false, ""
		out = append(out, x)
	}
	return out
}

// startsBlock: a header, or a SyntaxError of the script itself, which has none.
func (p *parser) startsBlock() bool {
	l := p.lines[p.at]
	if strings.Contains(l, header) {
		return true
	}
	m := frameLine.FindStringSubmatch(l)
	return m != nil && m[3] == ""
}

// block reads one traceback to the end of its message.
func (p *parser) block() (exception, bool) {
	x := exception{}
	start := p.at
	if strings.Contains(p.lines[p.at], header) {
		p.at++
	}
	for ; p.at < len(p.lines); p.at++ {
		l := p.lines[p.at]
		if m := frameLine.FindStringSubmatch(l); m != nil {
			n, _ := strconv.Atoi(m[2])
			x.frames = append(x.frames, frame{m[1], n, m[3]})
			continue
		}
		if strings.Contains(l, header) {
			return x, false // cut off by the next one
		}
		if l == "" || l[0] == ' ' || l[0] == '\t' {
			continue
		}
		m := exceptionLine.FindStringSubmatch(l)
		if m == nil {
			return x, false // something else was printed in between
		}
		p.at++
		x.kind, x.message = m[1], m[2]
		p.message(&x)
		x.lines = p.lines[start:p.at]
		return x, true
	}
	return x, false
}

// message reads the further lines of an exception's message. A traceback inside
// it (DataLoader workers, multiprocessing.spawn) is what really happened and
// takes the outer one's place.
func (p *parser) message(x *exception) {
	for n := 0; p.at < len(p.lines) && n < maxMessage; n++ {
		l := p.lines[p.at]
		if strings.Contains(l, header) && p.nests(n) {
			inner, ok := p.block()
			if !ok {
				return
			}
			outer := *x
			*x = inner
			x.causes = append(x.causes, outer)
			return
		}
		if l == "" && p.nestedAfterBlank() {
			p.at++
			continue
		}
		if l == "" || l == handling || l == causing || asideLine.MatchString(l) || frameLine.MatchString(l) || strings.Contains(l, header) {
			return
		}
		x.message += "\n" + l
		p.at++
	}
}

// nests: torch writes "Original Traceback (most recent call last):", and
// multiprocessing.spawn puts the child's traceback right behind its own line.
func (p *parser) nests(n int) bool {
	return strings.HasPrefix(p.lines[p.at], "Original ") || n <= 3 && p.at > 0 && spawned.MatchString(strings.Join(p.lines[max(0, p.at-3):p.at], "\n"))
}

var spawned = re(`-- Process \d+ terminated with the following error:|remote|ray::`)

func (p *parser) nestedAfterBlank() bool {
	return p.at+1 < len(p.lines) && strings.Contains(p.lines[p.at+1], header) &&
		spawned.MatchString(strings.Join(p.lines[max(0, p.at-3):p.at], "\n"))
}
