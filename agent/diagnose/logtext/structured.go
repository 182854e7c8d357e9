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
func plain(raw []string) []string {
	out := make([]string, 0, len(raw))
	for _, l := range raw {
		var fields map[string]any
		if !strings.HasPrefix(l, "{") || json.Unmarshal([]byte(l), &fields) != nil {
			out = append(out, l)
			continue
		}
		text := field(fields, textFields)
		if text == "" {
			out = append(out, l)
			continue
		}
		if cause := field(fields, errorFields); cause != "" && !strings.Contains(text, cause) {
			text += ": " + cause
		}
		if level := field(fields, levelFields); calm(level) {
			text = strings.ToUpper(level) + " " + text
		}
		out = append(out, strings.Split(strings.TrimSuffix(text, "\n"), "\n")...)
	}
	return out
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
