package logtext

import (
	"slices"
	"strings"
)

// Line is one line without colours and without its launcher's prefix.
type Line struct {
	Text    string
	Process string // whose it is, "" when the line does not say
	Like    int    // lines like it that were left out before it
}

// Log is what was read.
type Log struct {
	Lines      []Line
	Exceptions []Exception // in order of their ends
	Launch     Launch      // what a launcher of several processes said of their ends

	after []following // of each line
}

// Read reads the last lines of a log, oldest first.
func Read(raw []string) Log {
	g := Log{Lines: unfolded(plain(separate(unbox(cleanLines(raw)))))}
	g.after = followings(g.Lines)
	g.Exceptions = exceptionsOf(g.Lines)
	g.Launch = launchOf(g.Lines)
	return g
}

// LastSaid is the last line that is no farewell of a launcher or a tracker.
func (g Log) LastSaid() string {
	for _, l := range slices.Backward(g.Lines) {
		if !blank(l.Text) && !farewell.Match(l.Text) {
			return strings.TrimSpace(l.Text)
		}
	}
	return ""
}

// WithNext is a line and, where it only announces, what it announces.
func (g Log) WithNext(line string) string {
	if !announces.Match(line) {
		return line
	}
	for i, l := range slices.Backward(g.Lines) {
		if strings.HasPrefix(l.Text, line) && i+1 < len(g.Lines) {
			return line + " " + strings.TrimSpace(g.Lines[i+1].Text)
		}
	}
	return line
}

// Last returns the last n lines that are not empty.
func (g Log) Last(n int) []string {
	var out []string
	for i := len(g.Lines) - 1; i >= 0 && len(out) < n; i-- {
		if !blank(g.Lines[i].Text) {
			out = append([]string{g.Lines[i].Text}, out...)
		}
	}
	return out
}
