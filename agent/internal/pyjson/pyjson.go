// Package pyjson reads JSON as Python's json module writes it: with NaN, Infinity
// and -Infinity, which JSON does not have, and what Windows' editors add, a
// byte-order mark. It promises that what it returns is JSON that every reader
// takes, and how many numbers were none; one beyond float64 is none either. It
// leaves the meaning of what is absent to its callers.
//
// Annotations are not read here: converters have a streaming reader of their own,
// because their files are larger than memory should be, and agent/dataset uses it.
package pyjson

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// Unmarshal decodes data into a value as encoding/json does; a number that is none
// is null, which leaves what it would be decoded into as it was.
func Unmarshal(data []byte, into any) error {
	clean, _ := Clean(data)
	return json.Unmarshal(clean, into)
}

// Clean writes null for each NaN, infinity or number beyond float64, and counts
// them. What is no JSON even so is passed on for the decoder to refuse. Data that
// needs no change is returned as it is.
func Clean(data []byte) (clean []byte, none int) {
	data = bytes.TrimPrefix(data, byteOrderMark)
	kept := 0 // everything before is in clean
	for i := 0; i < len(data); {
		switch c := data[i]; {
		case c == '"':
			i += stringLen(data[i:])
		case begins(c):
			n := tokenLen(data[i:])
			if isNone(data[i : i+n]) {
				clean = append(append(clean, data[kept:i]...), "null"...)
				kept = i + n
				none++
			}
			i += n
		default:
			i++
		}
	}
	if none == 0 {
		return data, 0
	}
	return append(clean, data[kept:]...), none
}

// stringLen is the length of a string with its quotes, or of all that is there.
func stringLen(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// begins tells the first byte of a number or a word.
func begins(c byte) bool {
	return c == '-' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func tokenLen(b []byte) int {
	for i, c := range b {
		if !begins(c) && c != '+' && c != '.' {
			return i
		}
	}
	return len(b)
}

func isNone(token []byte) bool {
	switch string(token) {
	case "NaN", "Infinity", "-Infinity":
		return true
	}
	if len(token) < 5 || token[0] != '-' && (token[0] < '0' || token[0] > '9') { // 1e99 is the largest of four bytes
		return false
	}
	v, _ := strconv.ParseFloat(string(token), 64)
	return math.IsInf(v, 0) && json.Valid(token)
}
