package kit

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// finding is something to say of a package.
type finding = contract.Finding

// unscanned begins the rules that say that something was not looked at. Where the
// platform decides, not looking is a reason to refuse.
const unscanned = "unscanned."

func fault(rule, file, text string) finding {
	return finding{Rule: rule, Severity: contract.SeverityError, File: file, Text: text}
}

func warning(rule, file, text string) finding {
	return finding{Rule: rule, Severity: contract.SeverityWarning, File: file, Text: text}
}

func note(rule, file, text string) finding {
	return finding{Rule: rule, Severity: contract.SeverityNote, File: file, Text: text}
}

// with gives a finding its fix.
func with(f finding, fix string) finding {
	f.Fix = fix
	return f
}

// Issue is a finding in one line.
func Issue(f finding) string {
	var text strings.Builder
	if f.Severity != contract.SeverityError {
		text.WriteString(f.Severity + ": ")
	}
	text.WriteString(f.File)
	if f.Line > 0 {
		text.WriteString(":" + strconv.Itoa(f.Line))
	}
	if f.File != "" {
		text.WriteString(": ")
	}
	text.WriteString(f.Text)
	if f.Fix != "" {
		text.WriteString(" (" + f.Fix + ")")
	}
	return text.String()
}

// Unscanned says whether a finding is about something that was not looked at.
func Unscanned(f finding) bool { return strings.HasPrefix(f.Rule, unscanned) }

// frame is a line of a Python traceback.
var frame = regexp.MustCompile(`File "([^"\n]+)", line (\d+)`)

// at gives a finding the deepest line of the package in a traceback, when there is one.
func (v *Validator) at(f finding, traceback string) finding {
	for _, found := range frame.FindAllStringSubmatch(traceback, -1) {
		rel, err := filepath.Rel(v.Dir, found[1])
		if line, wrong := strconv.Atoi(found[2]); err == nil && wrong == nil && filepath.IsLocal(rel) {
			f.File, f.Line = filepath.ToSlash(rel), line
		}
	}
	return f
}

// naming gives a finding the first line of a document of the package that has a text.
func (v *Validator) naming(f finding, text string) finding {
	body, err := readDocument(filepath.Join(v.Dir, f.File))
	before, _, there := strings.Cut(string(body), strconv.Quote(text))
	if err == nil && there {
		f.Line = 1 + strings.Count(before, "\n")
	}
	return f
}

func textf(format string, args ...any) string { return fmt.Sprintf(format, args...) }
