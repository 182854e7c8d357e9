package platform

import (
	"strconv"
	"unicode/utf8"
)

// str reads a string and resolves its escapes.
func (s *scanner) str() ([]byte, error) {
	if err := s.expect('"'); err != nil {
		return nil, err
	}
	escaped := false
	for i := s.pos; ; i++ {
		if i == s.end {
			i -= s.pos
			if !s.more() {
				return nil, s.ended()
			}
			i += s.pos
		}
		switch c := s.buf[i]; {
		case c == '"':
			raw := s.buf[s.pos:i]
			s.pos = i + 1
			if escaped {
				return s.unescape(raw)
			}
			return raw, nil
		case c == '\\':
			escaped = true
			if i++; i == s.end {
				i -= s.pos
				if !s.more() {
					return nil, s.ended()
				}
				i += s.pos
			}
		case c < ' ':
			return nil, s.fail("a control character in a string")
		}
	}
}

// unescape resolves escapes in place: the result is never longer.
func (s *scanner) unescape(raw []byte) ([]byte, error) {
	out := raw[:0]
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' {
			out = append(out, c)
			continue
		}
		i++
		switch c := raw[i]; c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, n := unescapeRune(raw[i-1:])
			if n == 0 {
				return nil, s.fail("a broken \\u escape")
			}
			out = utf8.AppendRune(out, r)
			i += n - 2
		default:
			return nil, s.fail("an unknown escape \\%c", c)
		}
	}
	return out, nil
}

// unescapeRune reads \uXXXX or a surrogate pair and returns how many bytes it
// took. A lone surrogate becomes U+FFFD, as in encoding/json.
func unescapeRune(b []byte) (rune, int) {
	r, ok := hex4(b)
	if !ok {
		return 0, 0
	}
	if r < 0xD800 || r > 0xDFFF {
		return r, 6
	}
	if low, ok := hex4(b[6:]); ok && r < 0xDC00 && low >= 0xDC00 && low <= 0xDFFF {
		return (r-0xD800)<<10 + (low - 0xDC00) + 0x10000, 12
	}
	return utf8.RuneError, 6
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(b[2:6]), 16, 32)
	return rune(v), err == nil
}
