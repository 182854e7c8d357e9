package logtext

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
	g := Log{Lines: separate(unbox(cleanLines(raw)))}
	g.after = followings(g.Lines)
	g.Exceptions = exceptionsOf(g.Lines)
	g.Launch = launchOf(g.Lines)
	return g
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
