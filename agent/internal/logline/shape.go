package logline

import "strings"

// shapeLength is how much of a line decides what it is like, in bytes.
const shapeLength = 120

// Shape is what a line is like: numbers, hexadecimal ones included, are one and the
// same, and so are the frames, memory maps and allocator dumps that a crash prints
// by the hundred. Lines of one shape in a row are a flood: the first ones and the
// last tell as much as all of them.
func Shape(l string) string {
	if dump := dumped(l); dump != "" {
		return dump
	}
	l = l[:min(len(l), shapeLength)]
	out := make([]byte, 0, len(l))
	for i := 0; i < len(l); {
		if n := number(l[i:]); n > 0 {
			out = append(out, '0')
			i += n
			continue
		}
		out = append(out, l[i])
		i++
	}
	return string(out)
}

// Dumped reports that the line is one of a dump, which no person reads line by line.
func Dumped(l string) bool { return dumped(l) != "" }

// number is the length of the number that s begins with: digits, or hexadecimal
// digits of which one is a digit.
func number(s string) int {
	n, decimal := 0, false
	for n < len(s) && hex(s[n]) {
		decimal = decimal || s[n] >= '0' && s[n] <= '9'
		n++
	}
	if !decimal {
		return 0
	}
	if s[0] >= '0' && s[0] <= '9' || n >= 6 {
		return n
	}
	return 0
}

func hex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

// dumped names the dumps whose lines differ in more than their numbers.
func dumped(l string) string {
	switch {
	case strings.HasPrefix(l, "frame #"):
		return "frame"
	case memoryMap(l):
		return "memory map"
	case strings.HasSuffix(l, "]") && strings.Contains(l, "(+0x") || strings.Contains(l, "+0x") && strings.Contains(l, ")[0x"):
		return "native frame"
	case strings.Contains(l, "bfc_allocator.cc") && strings.Contains(l, ": I "):
		return "allocator"
	}
	return ""
}

// memoryMap: "7f520000000-7f520001000 r--p 00000000 08:07 1059362 /usr/lib/x.so".
func memoryMap(l string) bool {
	from, rest, ok := strings.Cut(l, "-")
	if !ok || len(from) < 6 || len(from) > 16 || strings.IndexFunc(from, func(r rune) bool { return r > 127 || !hex(byte(r)) }) >= 0 {
		return false
	}
	_, mode, ok := strings.Cut(rest, " ")
	return ok && len(mode) > 4 && strings.Trim(mode[:4], "rwxps-") == ""
}
