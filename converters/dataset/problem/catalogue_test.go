package problem

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/datasets.md")

// TestDocsListTheCatalogue: the list in docs/datasets.md is printed from the code.
func TestDocsListTheCatalogue(t *testing.T) {
	const file, heading = "../../../docs/datasets.md", "## Problems\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), heading)
	intro, _, _ := strings.Cut(rest, "\n### ")
	want := head + heading + strings.TrimRight(intro, "\n") + "\n" + markdown()
	if !ok {
		t.Fatalf("%s has no heading %q", file, heading)
	}
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the catalogue says: go test ./converters/dataset/problem -update", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestEveryKindIsSaidInPlainWords: one code for one thing, counted things first,
// and an error always says what to do.
func TestEveryKindIsSaidInPlainWords(t *testing.T) {
	code := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := make(map[string]bool)
	for _, k := range Catalogue() {
		if seen[k.Code] || !code.MatchString(k.Code) || k.Message == "" || k.Area == "" || strings.HasSuffix(k.Message, ".") {
			t.Errorf("%+v", k)
		}
		if k.Severity == Error && k.Hint == "" {
			t.Errorf("%s is an error and says nothing of what to do", k.Code)
		}
		seen[k.Code] = true
	}
	if len(seen) < 90 {
		t.Errorf("%d kinds", len(seen))
	}
}

// markdown is the catalogue as docs/datasets.md lists it: a table for each area.
func markdown() string {
	var out strings.Builder
	area := ""
	for _, k := range Catalogue() {
		if k.Area != area {
			area = k.Area
			fmt.Fprintf(&out, "\n### %s\n\n| code | severity | what it says |\n|---|---|---|\n", area)
		}
		text := k.Message
		if k.Hint != "" {
			text += ". " + k.Hint
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", k.Code, k.Severity, strings.ReplaceAll(text, "|", `\|`))
	}
	return out.String()
}
