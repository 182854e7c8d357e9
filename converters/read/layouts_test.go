package read

import (
	"os"
	"strings"
	"testing"
)

// TestDocsShowEveryLayout: with its tree, and by what it is told.
func TestDocsShowEveryLayout(t *testing.T) {
	docs, err := os.ReadFile("../../docs/datasets.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, known := range Layouts() {
		_, section, ok := strings.Cut(string(docs), "\n### `"+known.Name+"`\n")
		section, _, _ = strings.Cut(section, "\n##")
		if !ok || !strings.HasPrefix(section, "Recognised by "+known.By+".") || !strings.Contains(section, "\n    ") || seen[known.Name] {
			t.Errorf("docs/datasets.md does not show %s: Recognised by %s.", known.Name, known.By)
		}
		seen[known.Name] = true
	}
	if len(seen) < 6 {
		t.Errorf("%d layouts", len(seen))
	}
}
