package redact

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// percentEscape is a URL's: %2F.
type percentEscape struct{}

func (percentEscape) starts(c byte) bool { return c == '%' }

func (percentEscape) undo(to, text []byte) ([]byte, bool) {
	return hexDigits(to, text[1:], 2, func(to []byte, n uint64) []byte { return append(to, byte(n)) })
}

// jsonEscape is JSON's, and what Python's and Go's quoting add: \", \n, \u00e9,
// \ud83d\ude00, \x1b, \'.
type jsonEscape struct{}

func (jsonEscape) starts(c byte) bool { return c == '\\' }

func (jsonEscape) undo(to, text []byte) ([]byte, bool) {
	switch text[1] {
	case '"', '\'', '\\', '/':
		return append(to, text[1]), false
	case 'b':
		return append(to, '\b'), false
	case 'f':
		return append(to, '\f'), false
	case 'n':
		return append(to, '\n'), false
	case 'r':
		return append(to, '\r'), false
	case 't':
		return append(to, '\t'), false
	case 'x':
		return hexDigits(to, text[2:], 2, func(to []byte, n uint64) []byte { return append(to, byte(n)) })
	case 'u':
		return unicodeEscape(to, text)
	}
	return to, false
}

// unicodeEscape undoes \uXXXX; half of a pair waits for the other one.
func unicodeEscape(to, text []byte) ([]byte, bool) {
	const length = len(`\uXXXX`)
	if len(text) <= length {
		return hexDigits(to, text[2:], 4, func(to []byte, n uint64) []byte {
			if n >= 0xd800 && n < 0xdc00 {
				return nil
			}
			return utf8.AppendRune(to, rune(n))
		})
	}
	second := text[length:]
	if second[0] != '\\' || len(second) > 1 && second[1] != 'u' {
		return to, false
	}
	if len(second) <= 2 {
		return to, true
	}
	return hexDigits(to, second[2:], 4, func(to []byte, n uint64) []byte {
		high, _ := strconv.ParseUint(string(text[2:length]), 16, 32)
		return utf8.AppendRune(to, utf16.DecodeRune(rune(high), rune(n)))
	})
}

// hexDigits hands n digits on. With fewer there is more to come, as there is when
// make returns nil; with something else between them it is no escape.
func hexDigits(to, digits []byte, n int, make func(to []byte, v uint64) []byte) (decoded []byte, more bool) {
	for _, c := range digits {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return to, false
		}
	}
	if len(digits) < n {
		return to, true
	}
	v, _ := strconv.ParseUint(string(digits[:n]), 16, 32)
	if decoded = make(to, v); decoded == nil {
		return to, true
	}
	return decoded, false
}
