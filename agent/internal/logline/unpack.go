package logline

import (
	"encoding/json"
	"fmt"
	"strings"
)

// maxUnpacked bounds the lines that one line is unpacked into.
const maxUnpacked = 120

// packed is a traceback inside a string: structured logs write its line ends as \n.
const packed = Traceback + `:\n`

// Unpack gives the lines that one line of a structured log holds: what stands before a
// traceback, and the traceback's own lines, each behind the launcher's prefix. Any other
// line is given as it is.
func Unpack(l string) []string {
	unpack := unpackFrames
	if strings.Contains(l, packed) {
		unpack = unpackText
	} else if !strings.Contains(l, `"exc_type"`) {
		return []string{l}
	}
	_, text := Split(Unstamped(l))
	prefix := strings.TrimSuffix(l, text)
	lines := unpack(text)
	for i := range lines {
		lines[i] = prefix + lines[i]
	}
	return lines
}

// unpackText reads the string around the traceback, whatever quotes it: JSON does, and so
// does Python where a dictionary is printed.
func unpackText(l string) []string {
	at := strings.Index(l, packed)
	start := at - 1
	for start >= 0 && !opensString(l, start) {
		start--
	}
	if start < 0 {
		return []string{l}
	}
	return bounded(append([]string{l[:start]}, strings.Split(unquote(l[start:]), "\n")...))
}

// opensString: there is a quote that no backslash takes the meaning from.
func opensString(l string, at int) bool {
	return (l[at] == '"' || l[at] == '\'') && (at == 0 || l[at-1] != '\\')
}

// unquote reads the string that s begins with, and what is left of one that was cut.
func unquote(s string) string {
	var text string
	if s[0] == '"' && json.NewDecoder(strings.NewReader(s)).Decode(&text) == nil {
		return text
	}
	end := 1
	for end < len(s) && s[end] != s[0] {
		if s[end] == '\\' {
			end++
		}
		end++
	}
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t", `\"`, `"`, `\'`, `'`).Replace(s[1:min(end, len(s))])
}

// structlog is an exception as structlog's dict_tracebacks writes it.
type structlog struct {
	Kind   string `json:"exc_type"`
	Value  string `json:"exc_value"`
	Frames []struct {
		File string `json:"filename"`
		Line int    `json:"lineno"`
		Func string `json:"name"`
		Code string `json:"line"`
	} `json:"frames"`
}

func unpackFrames(l string) []string {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(l), &fields) != nil {
		return []string{l}
	}
	out := []string{l}
	for _, key := range []string{"exception", "exc_info", "error"} {
		var exceptions []structlog
		if json.Unmarshal(fields[key], &exceptions) != nil {
			continue
		}
		for i := len(exceptions) - 1; i >= 0; i-- { // the first is the one that ended it
			out = append(out, exceptions[i].lines()...)
		}
	}
	return bounded(out)
}

func (x structlog) lines() []string {
	out := []string{Traceback + ":"}
	for _, f := range x.Frames {
		out = append(out, fmt.Sprintf(`  File "%s", line %d, in %s`, f.File, f.Line, f.Func), "    "+f.Code)
	}
	return append(out, strings.Split(x.Kind+": "+x.Value, "\n")...)
}

// bounded keeps the end, which tells most.
func bounded(lines []string) []string {
	if over := len(lines) - maxUnpacked; over > 0 {
		return append([]string{lines[0], Traceback + ":"}, lines[over+2:]...)
	}
	return lines
}
