package static

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vision-platform/trainer-agent/contract"
)

const byteOrderMark = "\ufeff"

// Parts are the lines that pip makes of one, without those that are comments: it ends a
// line at more than \n, so a comment could hide what follows it.
func Parts(line string) []string { return split(line, "\r\v\f\x1c\x1d\x1e\x1f\u0085\u2028\u2029") }

func split(line, ends string) (parts []string) {
	for part := range strings.FieldsFuncSeq(line, func(r rune) bool { return strings.ContainsRune(ends, r) }) {
		if part = strings.TrimSpace(part); part != "" && part[0] != '#' {
			parts = append(parts, part)
		}
	}
	return parts
}

// joined is a line with those that follow it behind a backslash, and the last of them. A
// comment goes on in no other line; between the lines of a Dockerfile it is left out, and
// in requirements it ends them.
func joined(name string, lines []string, first int) (line string, last int) {
	line, last = strings.TrimRight(lines[first], "\r"), first
	if isComment(line) {
		return line, last
	}
	var whole strings.Builder // there may be a million
	for strings.HasSuffix(line, `\`) && last+1 < len(lines) {
		next := strings.TrimSpace(lines[last+1])
		if isComment(next) && requirements(name) {
			break
		}
		if last++; !isComment(next) {
			whole.WriteString(strings.TrimSuffix(line, `\`) + " ")
			line = next
		}
	}
	return whole.String() + line, last
}

func isComment(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "#") }

// comment is how a line of requirements ends, and option where the next of several begins.
var (
	comment = regexp.MustCompile(`\s+#.*$`)
	option  = regexp.MustCompile(`\s+-`)
)

// statements are what the rules look at: the parts of a line, and each of the options
// that a line of requirements may hold.
func statements(name, line string) (all []string) {
	if !requirements(name) {
		return split(line, "\r") // as Python ends one
	}
	for _, part := range Parts(line) {
		part = comment.ReplaceAllString(part, "")
		if part[0] == '-' {
			for cut := option.FindStringIndex(part); cut != nil; cut = option.FindStringIndex(part) {
				all, part = append(all, part[:cut[0]]), part[cut[1]-1:]
			}
		}
		all = append(all, part)
	}
	return all
}

// declared is a comment by which Python and pip read a file in another encoding.
var declared = regexp.MustCompile(`^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)`)

// encoding refuses requirements that pip may read as something else than is read here.
func encoding(name string, body []byte) []contract.Finding {
	plain := utf8.Valid(body) && !bytes.ContainsRune(body, 0)
	for i, line := range bytes.SplitN(body, []byte("\n"), 3) {
		if m := declared.FindSubmatch(line); i < 2 && m != nil {
			plain = plain && slices.Contains([]string{"utf-8", "utf8", "utf_8"}, strings.ToLower(string(m[1])))
		}
	}
	if plain {
		return nil
	}
	return []contract.Finding{refuse("install.encoding", name, "it is no plain UTF-8, so pip may read other packages in it than were looked at", "save it as UTF-8")}
}
