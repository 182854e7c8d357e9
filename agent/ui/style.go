package ui

import (
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// Codes of SGR (ECMA-48, 8.3.117).
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// IsTerminal reports whether f is a terminal that can move its cursor.
func IsTerminal(f *os.File, getenv func(string) string) bool {
	return getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// Color reports whether f may be written to in colour: on a terminal, unless
// NO_COLOR (no-color.org) has any value.
func Color(f *os.File, getenv func(string) string) bool {
	return getenv("NO_COLOR") == "" && IsTerminal(f, getenv)
}

// Columns asks a terminal for its width each time; 0 when it does not say.
func Columns(f *os.File) func() int {
	return func() int {
		columns, _, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 0
		}
		return columns
	}
}

func paint(text, code string, color bool) string {
	if !color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[m"
}

// Clean takes out of a text what a terminal would obey: control characters. Lines
// become one, with a space between them.
func Clean(text string) string {
	if !strings.ContainsFunc(text, controls) && utf8.ValidString(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n':
			return ' '
		case controls(r):
			return -1
		}
		return r
	}, plainText(strings.ToValidUTF8(text, "�")))
}

func controls(r rune) bool {
	return unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 // and what reverses a line
}

// plainText is a text without its escape sequences of the form ESC [ … letter.
func plainText(text string) string {
	if !strings.Contains(text, "\x1b[") {
		return strings.TrimRight(text, "\n")
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "\x1b[")
		b.WriteString(before)
		if !found {
			return strings.TrimRight(b.String(), "\n")
		}
		end := strings.IndexFunc(after, func(r rune) bool { return r >= 0x40 && r <= 0x7e })
		text = after[end+1:]
	}
}

// Duration writes a time span for a person: "8 s", "3 min 20 s", "2 h 5 min".
func Duration(d time.Duration) string {
	switch {
	case d < time.Minute && d%time.Second == 0:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}
