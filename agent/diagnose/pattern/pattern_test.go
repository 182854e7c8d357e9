package pattern

import (
	"slices"
	"testing"
)

func TestExpandFillsWhatWasCaptured(t *testing.T) {
	p := Of(`class (\d+) exceeds (\d+)`)
	if got := p.Expand("label class 7 exceeds 3 here", "${1} of ${2}", "${0}"); !slices.Equal(got, []string{"7 of 3", "class 7 exceeds 3"}) {
		t.Errorf("got %q", got)
	}
	if p.Expand("nothing", "x") != nil {
		t.Error("a text without a match was expanded")
	}
}
