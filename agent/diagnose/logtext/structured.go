package logtext

import (
	"encoding/json"
	"strings"
)

// The fields in which structured logs carry a line's own text, its level and the error
// that it is about.
var (
	textFields  = []string{"message", "msg", "log", "event", "text", "textPayload", "body"}
	levelFields = []string{"level", "levelname", "severity", "log.level", "lvl"}
	errorFields = []string{"error", "err", "exception", "exc_info"}
)

// plain gives the text of lines that are JSON objects, with the level where it is not an
// error's: what a warning tells of was survived.
func plain(lines []Line) []Line {
	out := make([]Line, 0, len(lines))
	for _, l := range lines {
		for i, text := range strings.Split(message(l.Text), "\n") {
			next := Line{Text: text, Process: l.Process}
			if i == 0 {
				next.Like = l.Like
			}
			out = append(out, next)
		}
	}
	return out
}

// message is what a JSON object says, or any other line.
func message(l string) string {
	var fields map[string]any
	if !strings.HasPrefix(l, "{") || json.Unmarshal([]byte(l), &fields) != nil {
		return l
	}
	text := field(fields, textFields)
	if text == "" {
		return l
	}
	if cause := field(fields, errorFields); cause != "" && !strings.Contains(text, cause) {
		text += ": " + cause
	}
	if level := field(fields, levelFields); calm(level) {
		text = strings.ToUpper(level) + " " + text
	}
	return strings.TrimSuffix(text, "\n")
}

func field(fields map[string]any, names []string) string {
	for _, n := range names {
		if s, ok := fields[n].(string); ok && s != "" {
			return s
		}
	}
	return ""
}

func calm(level string) bool {
	switch strings.ToLower(level) {
	case "info", "debug", "trace", "warn", "warning", "notice":
		return true
	}
	return false
}
