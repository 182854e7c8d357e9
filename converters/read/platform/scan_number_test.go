package platform

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// TestDecimalIsTheNearestFloat: the short way must give what strconv gives, or
// leave the number to it.
func TestDecimalIsTheNearestFloat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,16})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,3})?`).Draw(t, "number")
		v, n := decimal([]byte(text + ","))
		if n == 0 {
			return
		}
		want, err := strconv.ParseFloat(text, 64)
		if err != nil || n != len(text) || math.Float64bits(v) != math.Float64bits(want) {
			t.Fatalf("%v of %d bytes, want %v of %d", v, n, want, len(text))
		}
	})
	for _, text := range []string{"", "-", "01", "1.", ".5", "+1", "1e5", "1E5", "NaN", "1234567890123456"} {
		if v, n := decimal([]byte(text)); n != 0 {
			t.Errorf("%q is %v", text, v)
		}
	}
}

// TestNumberListsDoNotDependOnTheWindow reads lists that are in the window as a
// whole, and the same a byte at a time.
func TestNumberListsDoNotDependOnTheWindow(t *testing.T) {
	for _, text := range []string{
		`[]`, `[ ]`, `[1,2.5 , -3]`, "[\n1\t,\r\n2]", `[1e3, 2]`, `[1, 12345678901234567890.5]`, `[[1, 2], [3, 4]]`, `[[1, 2], 3]`,
		`[1, "2"]`, `[1, NaN]`, `[-0]`, `[1, null]`, `[1 2]`, `[1,]`, `[01]`, `[1`, `[1.`, `[1,`,
	} {
		read := func(s *scanner) string {
			d := &values{s: s, limit: DefaultLimits.Numbers}
			dims, wrong, err := d.numberList()
			return fmt.Sprint(d.flat, dims, wrong, err != nil, s.offset+int64(s.pos))
		}
		whole := read(newScanner(strings.NewReader(text + "     ")))
		bytewise := read(newScanner(iotest.OneByteReader(strings.NewReader(text + "     "))))
		if whole != bytewise {
			t.Errorf("%s: %s at once, %s byte by byte", text, whole, bytewise)
		}
	}
}

// TestALongListCrossesTheWindow: it is read again from its start, not lost.
func TestALongListCrossesTheWindow(t *testing.T) {
	want := make([]float64, windowBytes/2)
	texts := make([]string, len(want))
	for i := range want {
		want[i] = float64(i) + 0.5
		texts[i] = fmt.Sprint(want[i])
	}
	d := &values{s: newScanner(strings.NewReader("[" + strings.Join(texts, ", ") + "]")), limit: DefaultLimits.Numbers}
	if _, wrong, err := d.numberList(); err != nil || wrong != "" || !slices.Equal(d.flat, want) {
		t.Errorf("%d numbers of %d, %q, %v", len(d.flat), len(want), wrong, err)
	}
}
