package diagnose

import (
	"regexp"
	"testing"
)

func TestEveryPatternCompiles(t *testing.T) {
	if len(patterns) == 0 {
		t.Fatal("no pattern was written")
	}
	for _, p := range patterns {
		if _, err := regexp.Compile(p.expression); err != nil {
			t.Errorf("%s: %v", p.expression, err)
		}
	}
}
