package logtext

import (
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/agent/internal/logline"
)

// How IPython writes an exception: its type before the header, a place above each piece
// of source, and an arrow at the line.
var (
	cellHeader = pattern.Of(`^([A-Za-z_][\w.]*)\s{2,}Traceback \(most recent call last\):?$`)
	cellPlace  = pattern.Of(`^(?:Input )?(Cell In ?\[\d+\]|In \[\d+\]|<ipython-input-\d+-\w+>)(?:, line (\d+))?(?:,? in ([^(]+))?`)
	cellFile   = pattern.Of(`^(?:File )?(\S+\.py)(?::(\d+))?(?:,? in ([^(]+)\(.*|)$`)
	cellArrow  = pattern.Of(`^-+> (\d+) ?(.*)`)
)

// cells writes the tracebacks of notebooks as plain ones. In older ones only the arrow
// tells a frame's line.
func cells(lines []string) []string {
	out := make([]string, 0, len(lines))
	inside := false
	frame := -1 // the place in out of the frame whose line is not known yet
	for _, l := range lines {
		switch {
		case cellHeader.Match(l):
			inside, frame, l = true, -1, logline.Traceback+":"
		case !inside:
		case cellArrow.Match(l):
			m := cellArrow.Groups(l)
			if frame >= 0 {
				out[frame] = strings.Replace(out[frame], "line 0,", "line "+m[1]+",", 1)
				frame = -1
			}
			l = "    " + m[2]
		case placed(l) != "":
			if l = placed(l); strings.Contains(l, `", line 0,`) {
				frame = len(out)
			}
		case exceptionLine.Match(l):
			inside = false
		}
		out = append(out, l)
	}
	return out
}

// placed is a notebook's place as a frame, or "".
func placed(l string) string {
	m := cellPlace.Groups(l)
	if m == nil {
		m = cellFile.Groups(l)
	}
	if m == nil || m[2] == "" && m[3] == "" && !strings.HasPrefix(l, "File ") {
		return ""
	}
	if m[2] == "" {
		m[2] = "0"
	}
	in := strings.TrimSpace(m[3])
	if in == "" || strings.HasPrefix(in, "<cell line") {
		in = "<module>"
	}
	return `  File "` + m[1] + `", line ` + m[2] + ", in " + in[strings.LastIndexByte(in, '.')+1:]
}
