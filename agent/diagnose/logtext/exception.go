package logtext

import (
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
)

// Frame is one level of a Python stack.
type Frame struct {
	File string
	Line int
	Func string
}

// Exception is what one process printed of its own end: a Python exception with its
// traceback, or how the C++ runtime ended (Native).
type Exception struct {
	Kind    string // "torch.OutOfMemoryError"
	Message string // its lines joined by "\n"
	Frames  []Frame
	Block   []string    // as printed
	Causes  []Exception // chained ("during handling of", "direct cause of") and outer ones
	Process string
	Aside   bool // in a thread, in a destructor or in logging: seldom what ended the process
	Native  bool // an abort of C++, glibc or Qt

	head, end int // the places of the line with its type, and of its last line
}

// libraryFile are files that the user did not write.
var libraryFile = pattern.Of(`/site-packages/|/dist-packages/|__autograph_generated_file|/lib(64)?/python\d|^<|/torch/(_|nn|utils|optim)|importlib/_bootstrap|/bin/[^/]+$|\.pyx$`)

// IsLibrary reports whether a file is a package's and not the user's own.
func IsLibrary(file string) bool { return libraryFile.Match(file) }

// Text is the type and the whole message.
func (x Exception) Text() string {
	switch {
	case x.Message == "":
		return x.Kind
	case x.Kind == "":
		return x.Message
	}
	return x.Kind + ": " + x.Message
}

// Short is the type and the first sentence of the message: its first line, and the
// next one where the first is empty, ends with a colon or only counts.
func (x Exception) Short() string {
	if len(x.Causes) > 0 && hollow.Match(x.Message) {
		return x.Kind[strings.LastIndexByte(x.Kind, '.')+1:] + ": " + x.Causes[0].Short()
	}
	first := sentence(strings.Split(x.Message, "\n"))
	if first == "" {
		first = x.asserted()
	}
	switch {
	case first == "":
		return x.Kind
	case x.Kind == "":
		return first
	}
	return x.Kind + ": " + first
}

// hollow are sentences that leave the reason to the exception that they came from.
var hollow = pattern.Of(`^(?:An error occurred while generating the dataset|Failed to (?:export|convert|decompose) the (?:model|exported program)|Exception encountered when calling|An unexpected error occurred)`)

// asserted is the source of an assertion that says nothing itself.
func (x Exception) asserted() string {
	if !strings.HasSuffix(x.Kind, "AssertionError") {
		return ""
	}
	for i := len(x.Block) - 2; i >= 0; i-- {
		source := strings.TrimSpace(x.Block[i])
		if strings.HasPrefix(source, "assert ") {
			return source
		}
		if strings.Trim(source, "~^") != "" {
			break // more than the marks below the source
		}
	}
	return ""
}

var announces = pattern.Of(`[:,({\[]$|\bbut found$|\bException encountered when calling \S+\.$|root error\(s\) found\.$`)

// A sentence that a terminal's width broke goes on in small letters.
const narrow = 56

var goesOnWith = pattern.Of(`^[a-z0-9(*=]`)

// folded also takes a line that is set in by one space, as Lightning writes a second one.
func folded(l, next string) bool {
	return !strings.HasSuffix(l, ".") && (len(l) >= narrow && goesOnWith.Match(next) || setIn.Match(next))
}

var setIn = pattern.Of(`^ [A-Za-z]`)

func sentence(lines []string) string {
	var said []string
	block := len(lines) > 0 && blank(lines[0]) // a text of its own lines
	for i, l := range lines {
		l = strings.TrimSpace(l)
		if l == "" || strings.Trim(l, "-=*~^") == "" {
			continue
		}
		said = append(said, l)
		more := announces.Match(l) || block || i+1 < len(lines) && folded(l, lines[i+1])
		if !more || len(said) == 3 {
			break
		}
	}
	return strings.Join(said, " ")
}

// Stack is every frame and the source printed with it, of the exception and of what
// it came from.
func (x Exception) Stack() string {
	all := x.Block
	for _, y := range x.Causes {
		all = append(all[:len(all):len(all)], y.Block...)
	}
	return strings.Join(all, "\n")
}

// Where is the last frame of the user's own file, or of any file.
func (x Exception) Where() (Frame, bool) {
	for _, y := range append([]Exception{x}, x.Causes...) {
		for i := len(y.Frames) - 1; i >= 0; i-- {
			if !IsLibrary(y.Frames[i].File) {
				return y.Frames[i], true
			}
		}
	}
	if n := len(x.Frames); n > 0 {
		return x.Frames[n-1], true
	}
	return Frame{}, false
}
