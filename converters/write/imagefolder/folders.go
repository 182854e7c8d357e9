package imagefolder

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/vision-platform/trainer-agent/converters/write/plan"
)

// Folders chooses the folder of each class, in index order, so that every reader
// derives the class index from it: torchvision sorts names by code point, timm
// by natural order of the lower-cased name, Hugging Face by code point over all
// splits. The names themselves are used when they happen to be in that order,
// and else with the index in front.
func Folders(names []string) []string {
	plain := make([]string, len(names))
	for i, name := range names {
		plain[i] = guard(safe(name))
	}
	if inOrder(plain) {
		return plain
	}
	width := len(fmt.Sprint(max(len(names)-1, 0)))
	for i, name := range plain {
		plain[i] = fmt.Sprintf("%0*d_%s", width, i, name)
	}
	return plain
}

// inOrder reports whether the names sort the same under every reader's rule,
// strictly: names that differ in case only would be one folder on some disks.
func inOrder(names []string) bool {
	for i, name := range names {
		if !predictable(name) || (i == 0 && strings.HasPrefix(name, "n0")) {
			return false
		}
		if i > 0 && (names[i-1] >= name || compareNatural(names[i-1], name) >= 0) {
			return false
		}
	}
	return true
}

// predictable reports whether the name sorts alike in Python and here: its
// lower case is simple and its digits are ASCII. Hugging Face skips folders that
// start with an underscore pair.
func predictable(name string) bool {
	for _, r := range name {
		if r > unicode.MaxASCII && (unicode.IsDigit(r) || unicode.IsNumber(r) || unicode.ToLower(r) != r || unicode.ToUpper(r) != r) {
			return false
		}
	}
	return !strings.HasPrefix(name, "_")
}

var digits = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`[0-9]+`)
})

// compareNatural compares as timm's natural_key does: the lower-cased name split
// at runs of digits, runs by value.
func compareNatural(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	for {
		at, bt := digits().FindStringIndex(a), digits().FindStringIndex(b)
		textA, textB := a, b
		if at != nil {
			textA = a[:at[0]]
		}
		if bt != nil {
			textB = b[:bt[0]]
		}
		if c := strings.Compare(textA, textB); c != 0 {
			return c
		}
		switch {
		case at == nil && bt == nil:
			return 0
		case at == nil:
			return -1
		case bt == nil:
			return 1
		}
		x, _ := new(big.Int).SetString(a[at[0]:at[1]], 10)
		y, _ := new(big.Int).SetString(b[bt[0]:bt[1]], 10)
		if c := x.Cmp(y); c != 0 {
			return c
		}
		a, b = a[at[1]:], b[bt[1]:]
	}
}

// safe makes a folder name of a class name: one that every file system and
// archive takes, composed (NFC), never empty.
func safe(name string) string {
	name = norm.NFC.String(strings.ToValidUTF8(name, "_"))
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|[]`, r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == 0xfeff {
			return '_'
		}
		return r
	}, name)
	name = strings.TrimLeft(strings.TrimSpace(name), ". ")
	name = strings.TrimRight(plan.SafePart("x" + name)[1:], ". ")
	if name == "" {
		return "class"
	}
	if reserved().MatchString(name) {
		name += "_"
	}
	return name
}

// reserved are names that Windows keeps for devices.
var reserved = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)`)
})

// keyword finds the words by which Hugging Face's datasets takes any folder of a
// path for a split (data_files.py, SPLIT_KEYWORDS), between its separators.
var keyword = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(^|[-._ 0-9])(training|train|validation|valid|dev|val|testing|test|evaluation|eval)([-._ 0-9]|$)`)
})

// guard breaks split keywords with a plus sign behind them.
func guard(name string) string {
	for {
		at := keyword().FindStringSubmatchIndex(name)
		if at == nil {
			return name
		}
		name = name[:at[5]] + "+" + name[at[5]:]
	}
}
