// Package text reads bytes as text: names and files in the encodings that people's
// programs write.
//
// It promises that UTF-8 and UTF-16 are read as what they are, that an older code
// page is told by what the text looks like in it and not by chance, and that its
// name is handed out with the text, to be said to people. It leaves the saying to
// its callers.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// Page is a code page.
type Page struct {
	Name     string // as people call it
	encoding encoding.Encoding
	score    func(units []unit) int
}

// The code pages that are told apart. The first of equals counts: 437 is what the
// zip format says where nothing else is said (APPNOTE, appendix D).
var pages = []*Page{
	{"cp437", charmap.CodePage437, western},
	{"cp949", korean.EUCKR, hangul}, // WHATWG's EUC-KR is Windows-949
	{"GBK", simplifiedchinese.GBK, han},
	{"Shift-JIS", japanese.ShiftJIS, kana},
	{"Big5", traditionalchinese.Big5, han},
	{"cp866", charmap.CodePage866, cyrillic},
	{"Windows-1251", charmap.Windows1251, cyrillic},
	{"Windows-1252", charmap.Windows1252, western},
	{"cp850", charmap.CodePage850, western},
}

// Decode reads bytes in the page. What is no character in it becomes U+FFFD.
func (p *Page) Decode(b []byte) []byte {
	out, err := p.encoding.NewDecoder().Bytes(b)
	if err != nil || !utf8.Valid(out) {
		out, _ = charmap.CodePage437.NewDecoder().Bytes(b)
	}
	return out
}

// Suits reports whether bytes that happen to be UTF-8 are text of this page, of
// which others are: 猫 in GBK is è in UTF-8. Characters of three bytes are no chance.
func (p *Page) Suits(b []byte) bool {
	for i := 0; i < len(b); {
		_, n := utf8.DecodeRune(b[i:])
		if n > 2 {
			return false
		}
		i += n
	}
	return p.score(unitsOf(p, b)) > 0
}

// Guess collects evidence: names or lines of one machine, which are in one code
// page. The zero value is ready.
type Guess struct {
	scores [16]int
	n      int
}

// maxEvidence is after how many texts the page is clear, or will not be.
const maxEvidence = 2000

// Look takes one text into account. Text that is UTF-8 is no evidence.
func (g *Guess) Look(b []byte) {
	if g.n >= maxEvidence || utf8.Valid(b) {
		return
	}
	g.n++
	for i, p := range pages {
		g.scores[i] += p.score(unitsOf(p, b))
	}
}

// Page is the page in which the texts look most like words, nil without evidence.
func (g *Guess) Page() *Page {
	if g.n == 0 {
		return nil
	}
	best := 0
	for i := range pages {
		if g.scores[i] > g.scores[best] {
			best = i
		}
	}
	return pages[best]
}

// Reading says how texts were read that are not UTF-8, for people.
type Reading struct {
	Page    string // name of the code page
	Count   int
	Example string // the first of them, as it was read
}

// Add counts one text.
func (r *Reading) Add(decoded string) {
	if r.Count++; r.Count == 1 {
		r.Example = strings.Clone(decoded)
	}
}

// unit is one character of a text in a page, and how many bytes it took.
type unit struct {
	r     rune
	bytes int
	glued bool // its last byte is ASCII and beside a letter: Latin words look so
}

// unitsOf reads a text character by character.
func unitsOf(p *Page, b []byte) []unit {
	var list []unit
	d := p.encoding.NewDecoder()
	for len(b) > 0 {
		n := 1
		if b[0] >= 0x80 && len(b) > 1 && wide(p, b) {
			n = 2
		}
		r := rune(b[0])
		if b[0] >= 0x80 {
			out, err := d.Bytes(b[:n])
			r, _ = utf8.DecodeRune(out)
			if err != nil {
				r = utf8.RuneError
			}
		}
		if r == utf8.RuneError {
			n = 1 // a broken character takes no byte of the next one
		}
		u := unit{r: r, bytes: n}
		u.glued = n == 2 && b[1] < 0x80 && (len(list) > 0 && isASCIILetter(list[len(list)-1].r) || len(b) > 2 && isASCIILetter(rune(b[2])))
		list = append(list, u)
		b = b[n:]
	}
	return list
}

// wide reports whether a character of two bytes begins.
func wide(p *Page, b []byte) bool {
	switch p.encoding {
	case japanese.ShiftJIS:
		return b[0] <= 0x9f || b[0] >= 0xe0
	case korean.EUCKR, simplifiedchinese.GBK, traditionalchinese.Big5:
		return true
	}
	return false
}

func isASCIILetter(r rune) bool { return r < 0x80 && unicode.IsLetter(r) }

// What a character is worth. A page that reads two bytes as one character gets the
// points of both.
const (
	likely   = 8 // two bytes, a character of common words
	possible = 2 // two bytes, of the script
	letter   = 3 // one byte, a letter where letters are
	odd      = -3
	broken   = -12
)

// double scores the characters of a script of two bytes.
func double(units []unit, common map[rune]bool, script func(rune) int) int {
	sum := 0
	for _, u := range units {
		switch {
		case u.r < 0x80:
		case u.r == utf8.RuneError || unicode.Is(unicode.Co, u.r):
			sum += broken
		case u.bytes == 1:
			sum += 2 * odd // half-width kana, and the like
		case u.glued:
			sum += odd
		case common[u.r]:
			sum += likely
		default:
			sum += script(u.r)
		}
	}
	return sum
}

func hangul(units []unit) int {
	return double(units, commonKorean(), func(r rune) int {
		switch {
		case !unicode.Is(unicode.Hangul, r):
			return odd
		case korean1001(r) && plainSyllable(r):
			return possible
		case korean1001(r):
			return -1
		}
		return odd // one of the 8,822 syllables that Windows added
	})
}

// plainSyllable reports whether a syllable is of the sounds that most words are
// made of: no doubled consonant, no rare vowel, no rare end.
func plainSyllable(r rune) bool {
	if r < 0xac00 || r > 0xd7a3 {
		return false
	}
	i := int(r - 0xac00)
	initial, vowel, end := i/588, i%588/28, i%28
	const doubled, rareVowels, plainEnds = 1<<1 | 1<<4 | 1<<8 | 1<<10 | 1<<13, 1<<3 | 1<<7 | 1<<10 | 1<<15 | 1<<17, 1<<0 | 1<<1 | 1<<4 | 1<<8 | 1<<16 | 1<<17 | 1<<19 | 1<<21
	return doubled&(1<<initial) == 0 && rareVowels&(1<<vowel) == 0 && plainEnds&(1<<end) != 0
}

// korean1001 reports whether a syllable is one of the 2,350 of KS X 1001.
func korean1001(r rune) bool {
	b, err := korean.EUCKR.NewEncoder().String(string(r))
	return err == nil && len(b) == 2 && b[0] >= 0xb0 && b[0] <= 0xc8 && b[1] >= 0xa1
}

func han(units []unit) int {
	return double(units, commonHan(), func(r rune) int {
		switch {
		case unicode.Is(unicode.Han, r):
			return frequentHan(r)
		case r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xff5e:
			return possible // punctuation and wide letters
		}
		return odd
	})
}

// frequentHan scores by the first of the two levels that the standards of China,
// Taiwan and Japan divide characters into: the frequent ones.
func frequentHan(r rune) int {
	if b, err := simplifiedchinese.GBK.NewEncoder().String(string(r)); err == nil && len(b) == 2 && b[0] >= 0xb0 && b[0] <= 0xf7 && b[1] >= 0xa1 {
		if b[0] <= 0xd7 {
			return possible + 1
		}
		return 0
	}
	if b, err := traditionalchinese.Big5.NewEncoder().String(string(r)); err == nil && len(b) == 2 && b[0] >= 0xa4 && b[0] <= 0xc6 {
		return possible
	}
	return odd
}

func kana(units []unit) int {
	return double(units, commonHan(), func(r rune) int {
		switch {
		case unicode.In(r, unicode.Hiragana, unicode.Katakana) || r == 'ー':
			return likely
		case unicode.Is(unicode.Han, r):
			return frequentHan(r)
		case r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xff5e:
			return possible
		}
		return odd
	})
}

// cyrillic scores whole words.
func cyrillic(units []unit) int {
	sum := 0
	var word []rune
	for i := 0; i <= len(units); i++ {
		if i < len(units) && unicode.Is(unicode.Cyrillic, units[i].r) {
			word = append(word, units[i].r)
			continue
		}
		sum += wordScore(word)
		if word = word[:0]; i == len(units) {
			break
		}
		switch u := units[i]; {
		case u.r < 0x80 && (!isASCIILetter(u.r) || !beside(units, i, isCyrillic)):
		case u.r == utf8.RuneError:
			sum += broken
		default:
			sum += odd
		}
	}
	return sum
}

func isCyrillic(r rune) bool { return unicode.Is(unicode.Cyrillic, r) }

// wordScore is good for a word that can be said, in small letters, in large ones
// or with a large one in front.
func wordScore(word []rune) int {
	if len(word) == 0 {
		return 0
	}
	upper, vowels, run, longest := 0, 0, 0, 0
	rare := 0
	for i, r := range word {
		if unicode.IsUpper(r) && (i > 0 || len(word) == 1) {
			upper++
		}
		switch {
		case strings.ContainsRune("аеиоуыэюяёіїєАЕИОУЫЭЮЯЁІЇЄ", r):
			vowels++
			run = 0
		default:
			run++
			longest = max(longest, run)
		}
		if r != 0x401 && r != 0x451 && (r < 0x410 || r > 0x44f) {
			rare++
		}
	}
	oneCase := upper == 0 || unicode.IsUpper(word[0]) && upper == len(word)-1
	if !oneCase || vowels == 0 || longest > 4 || vowels == len(word) && len(word) > 2 || len(word) == 1 {
		return odd * len(word)
	}
	return (letter-1)*len(word) - 3*rare + len(word)/4*2
}

// western scores accented letters among letters.
func western(units []unit) int {
	sum := 0
	for i, u := range units {
		switch {
		case u.r < 0x80:
		case u.r == utf8.RuneError || unicode.IsControl(u.r):
			sum += broken
		case !unicode.Is(unicode.Latin, u.r) || u.r == 'ª' || u.r == 'º':
			sum += odd
		case i > 0 && unicode.IsUpper(u.r) && unicode.IsLower(units[i-1].r):
			sum += odd
		case beside(units, i, isASCIILetter):
			sum += letter
		default:
			sum += odd // a word of accents only
		}
	}
	return sum
}

func beside(units []unit, i int, is func(rune) bool) bool {
	return i > 0 && is(units[i-1].r) || i+1 < len(units) && is(units[i+1].r)
}
