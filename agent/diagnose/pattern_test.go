package diagnose

import (
	"regexp"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
)

func TestEveryPatternCompiles(t *testing.T) {
	if len(pattern.All()) < 50 {
		t.Fatal("the tables' patterns are not all known")
	}
	for _, p := range pattern.All() {
		if _, err := regexp.Compile(p.String()); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}
