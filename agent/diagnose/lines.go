package diagnose

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

var (
	ansi = re(`\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07`)
	// torch's own prefix, torchrun's tee prefix, and accelerate's.
	rankPrefix = re(`^\s*\[(?:rank|default)(\d+)\]:\s?`)
	// Wording by which a program guesses or advises; never a fact.
	advice = re(`(?i)might be|may be caused|could be (due|caused)|please try|please check|consider |you can try|try (to )?(reduc|set|increas)|if reserved (but unallocated )?memory is`)
	// A line at this level tells of something that was survived.
	survived = re(`(?i)^\W*(\S+\s+){0,3}(warn(ing)?|info|debug|userwarning|futurewarning)\b|warning ⚠`)
)

// Bounds in bytes of one line and of the whole tail, the newest lines first: every
// expression is tried on every line.
const (
	maxRaw  = 2 << 10
	maxTail = 96 << 10
)

// line is one line of the log without terminal codes and rank prefix.
type line struct {
	text string
	rank int // -1 without a prefix
}

// cleanLines strips colours, keeps what a progress bar showed last, and takes the
// rank prefix off.
func cleanLines(raw []string) []string {
	var out []string
	for left := maxTail; len(raw) > 0; raw = raw[:len(raw)-1] {
		l := cleanLine(raw[len(raw)-1])
		if left -= len(l) + 1; left < 0 {
			break
		}
		out = append(out, l)
	}
	slices.Reverse(out)
	return out
}

func cleanLine(l string) string {
	l = strings.TrimRight(l, "\r\n \t")
	l = l[strings.LastIndexByte(l, '\r')+1:]
	l = ansi.ReplaceAllString(l[:min(len(l), 2*maxRaw)], "")
	return strings.ToValidUTF8(l[:min(len(l), maxRaw)], "")
}

func ranked(l string) line {
	m := rankPrefix.FindStringSubmatch(l)
	if m == nil {
		return line{l, -1}
	}
	rank, err := strconv.Atoi(m[1])
	if err != nil {
		rank = -1
	}
	return line{l[len(m[0]):], rank}
}

// lineLike finds the last line that states a fact: advice and survived warnings
// are passed over.
func (c *inquest) lineLike(fact *pattern) (string, bool) {
	for i := len(c.lines) - 1; i >= 0; i-- {
		l := c.lines[i]
		where := fact.FindStringIndex(l)
		if where == nil || survived.MatchString(l) {
			continue
		}
		if a := advice.FindStringIndex(l); a != nil && a[0] <= where[0] {
			continue
		}
		return ranked(l).text, true
	}
	return "", false
}

// quote is what the child printed about its end: the likeliest exception with
// its traceback, or the last lines.
func (c *inquest) quote() []string {
	if len(c.exceptions) > 0 {
		return c.exceptions[0].quote()
	}
	return last(c.lines, 10)
}

// last returns the last n lines that are not empty.
func last(lines []string, n int) []string {
	var out []string
	for i := len(lines) - 1; i >= 0 && len(out) < n; i-- {
		if strings.TrimSpace(lines[i]) != "" {
			out = append([]string{lines[i]}, out...)
		}
	}
	return out
}

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// trimStop takes a full stop off, where the sentence goes on.
func trimStop(s string) string { return strings.TrimSuffix(strings.TrimSpace(s), ".") }
