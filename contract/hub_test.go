package contract

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// However many warnings come first, the error that refuses a package is told.
func TestOfTooManyFindingsTheGravestAreTold(t *testing.T) {
	var all []Finding
	for i := range MaxFindings + 1 {
		all = append(all, Finding{Rule: fmt.Sprint(i), Severity: SeverityWarning})
	}
	if few := all[:MaxFindings]; !slices.Equal(Told(few), few) {
		t.Error("findings that are few were changed")
	}
	told := Told(append(all, Finding{Rule: "last", Severity: SeverityError, Text: strings.Repeat("é", 3000)}))
	if len(told) != MaxFindings+1 || told[0].Rule != "last" || told[1].Rule != "0" || told[MaxFindings].Rule != "findings.more" {
		t.Errorf("%d findings, from %+v to %+v", len(told), told[0], told[len(told)-1])
	}
	if text := told[0].Text; len(text) > maxFindingText+len("…") || !utf8.ValidString(text) {
		t.Errorf("a text of %d bytes", len(text))
	}
	if all[0].Rule != "0" {
		t.Error("the findings themselves were sorted")
	}
}
