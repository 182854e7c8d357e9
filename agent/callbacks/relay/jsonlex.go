package relay

import (
	"math"
	"strconv"
)

// A lexer reads the words of a JSON text, as Python writes them too.
type lexer struct {
	in  []byte
	pos int
}

func (l *lexer) end() error {
	if l.space(); l.pos < len(l.in) {
		return l.bad("something follows the value")
	}
	return nil
}

func (l *lexer) bad(what string) error { return &syntaxError{l.pos, what} }

func (l *lexer) space() {
	for l.pos < len(l.in) {
		switch l.in[l.pos] {
		case ' ', '\t', '\r', '\n':
			l.pos++
		default:
			return
		}
	}
}

// peek skips white space and returns the next byte, 0 at the end.
func (l *lexer) peek() byte {
	l.space()
	if l.pos == len(l.in) {
		return 0
	}
	return l.in[l.pos]
}

func (l *lexer) word(w string) bool {
	if len(l.in)-l.pos < len(w) || string(l.in[l.pos:l.pos+len(w)]) != w {
		return false
	}
	l.pos += len(w)
	return true
}

// quoted consumes a string and returns it with its quotes.
func (l *lexer) quoted() ([]byte, error) {
	start := l.pos
	for l.pos++; l.pos < len(l.in); l.pos++ {
		switch c := l.in[l.pos]; {
		case c == '"':
			l.pos++
			return l.in[start:l.pos], nil
		case c < 0x20:
			return nil, l.bad("a control character in a string")
		case c == '\\':
			if err := l.escape(); err != nil {
				return nil, err
			}
		}
	}
	return nil, l.bad("a string does not end")
}

// escape consumes an escape up to its last byte.
func (l *lexer) escape() error {
	l.pos++
	if l.pos == len(l.in) {
		return l.bad("a string does not end")
	}
	switch l.in[l.pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			if l.pos++; l.pos == len(l.in) || !isHex(l.in[l.pos]) {
				return l.bad("\\u needs four hex digits")
			}
		}
		return nil
	}
	return l.bad("no such escape")
}

func isHex(c byte) bool {
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')
}

// numberToken consumes a number; finite is false for Python's words and for
// what is beyond float64.
func (l *lexer) numberToken() (finite bool, token []byte, err error) {
	start := l.pos
	for _, w := range []string{"NaN", "Infinity", "-Infinity"} {
		if l.word(w) {
			return false, l.in[start:l.pos], nil
		}
	}
	if l.at('-') {
		l.pos++
	}
	if l.at('0') {
		l.pos++
	} else if !l.digits() {
		return false, nil, l.bad("a number needs digits")
	}
	if l.at('.') {
		l.pos++
		if !l.digits() {
			return false, nil, l.bad("a number needs digits after its point")
		}
	}
	if l.at('e') || l.at('E') {
		l.pos++
		if l.at('+') || l.at('-') {
			l.pos++
		}
		if !l.digits() {
			return false, nil, l.bad("a number needs digits in its exponent")
		}
	}
	token = l.in[start:l.pos]
	if len(token) < 5 { // 1e99 is the largest that fits
		return true, token, nil
	}
	v, _ := strconv.ParseFloat(string(token), 64)
	return !math.IsInf(v, 0), token, nil
}

func (l *lexer) at(c byte) bool { return l.pos < len(l.in) && l.in[l.pos] == c }

// digits consumes digits and reports whether there were any.
func (l *lexer) digits() bool {
	start := l.pos
	for l.pos < len(l.in) && l.in[l.pos] >= '0' && l.in[l.pos] <= '9' {
		l.pos++
	}
	return l.pos > start
}
