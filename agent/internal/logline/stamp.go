package logline

import "strings"

// Unstamped takes off the time at the head of a line, "2026-03-07T16:00:50.422Z " or
// "[2026-03-07 16:00:50,422] ", the stream that a container's log names behind it, and
// a colour before it.
func Unstamped(l string) string {
	if strings.HasPrefix(l, "\x1b[") {
		if _, after, ok := strings.Cut(l, "m"); ok {
			l = after
		}
	}
	rest, bracket := strings.CutPrefix(l, "[")
	if !fits(rest, "dddd-dd-dd?dd:dd:dd") || rest[10] != ' ' && rest[10] != 'T' {
		return l
	}
	rest = strings.TrimLeft(rest[19:], "0123456789.,:+-Z")
	if bracket {
		rest = strings.TrimPrefix(rest, "]")
	}
	rest = strings.TrimPrefix(rest, " ")
	for _, stream := range []string{"stdout F", "stderr F", "stdout P", "stderr P"} {
		if after, ok := strings.CutPrefix(rest, stream); ok {
			return strings.TrimPrefix(after, " ")
		}
	}
	return rest
}

// fits: a digit for each d, anything for ?, and else the byte itself.
func fits(s, shape string) bool {
	if len(s) < len(shape) {
		return false
	}
	for i := range len(shape) {
		switch shape[i] {
		case '?':
		case 'd':
			if s[i] < '0' || s[i] > '9' {
				return false
			}
		default:
			if s[i] != shape[i] {
				return false
			}
		}
	}
	return true
}
