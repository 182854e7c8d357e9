package text

import (
	"bytes"
	"regexp"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// declaration is what an XML file says of its encoding in its first line.
var declaration = regexp.MustCompile(`^\s*<\?xml[^>]*\sencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']`)

// DecodeXML reads an XML file as Decode does, and in the encoding that it declares
// where the bytes agree with that. Tools write declarations that are not true: what
// can only be UTF-8 is read as that.
func DecodeXML(b []byte) (text, encoding string) {
	if kind, mark := utfOf(b); kind != UTF8 || mark > 0 {
		return Decode(b)
	}
	e, doubled := declared(b)
	if e == nil || utf8.Valid(b) && (!doubled || !onlyPairs(b)) {
		return Decode(b)
	}
	out, err := e.NewDecoder().Bytes(b)
	if err != nil || bytes.ContainsRune(out, utf8.RuneError) {
		return Decode(b)
	}
	return string(out), UTF8
}

// declared is the encoding of the declaration, nil for UTF-8 and what is unknown.
// Doubled is one of two bytes a character.
func declared(b []byte) (e encoding.Encoding, doubled bool) {
	match := declaration.FindSubmatch(b[:min(len(b), sniffed)])
	if match == nil {
		return nil, false
	}
	e, err := htmlindex.Get(string(match[1]))
	if err != nil {
		return nil, false
	}
	switch name, _ := htmlindex.Name(e); name {
	case "utf-8", "utf-16le", "utf-16be", "replacement", "x-user-defined":
		return nil, false
	case "gbk":
		return simplifiedchinese.GBK, true
	case "gb18030", "big5", "euc-kr", "euc-jp", "shift_jis":
		return e, true
	}
	return e, false
}

// onlyPairs reports whether text that happens to be UTF-8 has no character of more
// than two bytes: then it may be of a page of two bytes. 猫 in GBK is è in UTF-8.
func onlyPairs(b []byte) bool {
	for len(b) > 0 {
		_, n := utf8.DecodeRune(b)
		if n > 2 {
			return false
		}
		b = b[n:]
	}
	return true
}
